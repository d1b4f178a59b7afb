"""Drizzle, with better-sqlite3 and pg; nothing validated."""

from __future__ import annotations

from benchmarks.peers.node_side import NodeSide

__all__ = ["Drizzle"]

# What `drizzle-kit push` makes of the schema on SQLite.
_TABLES = """
CREATE TABLE definitions (id text PRIMARY KEY NOT NULL, created_at integer NOT NULL, updated_at integer NOT NULL,
  parent_id text REFERENCES definitions (id) ON DELETE RESTRICT, name text NOT NULL, content text NOT NULL,
  created_by text);
CREATE INDEX ix_parent ON definitions (parent_id);
CREATE INDEX ix_name ON definitions (name);
CREATE INDEX ix_created_by ON definitions (created_by);
CREATE INDEX ix_created_at ON definitions (created_at);
CREATE TABLE scenarios (id text PRIMARY KEY NOT NULL, created_at integer NOT NULL, updated_at integer NOT NULL,
  definition_id text NOT NULL REFERENCES definitions (id) ON DELETE CASCADE, name text NOT NULL, content text NOT NULL);
CREATE UNIQUE INDEX uq_scenario ON scenarios (definition_id, name);
CREATE TABLE runs (id text PRIMARY KEY NOT NULL, created_at integer NOT NULL, updated_at integer NOT NULL,
  definition_id text NOT NULL REFERENCES definitions (id) ON DELETE RESTRICT, experiment_id text,
  status text NOT NULL, config text NOT NULL, progress text NOT NULL, content_sha256 text NOT NULL,
  definition_schema_version integer NOT NULL, started_at integer, finished_at integer, heartbeat_at integer,
  error text);
CREATE INDEX ix_definition ON runs (definition_id);
CREATE INDEX ix_experiment ON runs (experiment_id);
CREATE INDEX ix_status ON runs (status);
CREATE TABLE transcripts (id text PRIMARY KEY NOT NULL, created_at integer NOT NULL,
  run_id text NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  scenario_id text REFERENCES scenarios (id) ON DELETE SET NULL, model text NOT NULL, sample_index integer NOT NULL,
  content text NOT NULL, metrics text, input_tokens integer, output_tokens integer, duration_ms integer);
CREATE UNIQUE INDEX uq_transcript ON transcripts (run_id, scenario_id, model, sample_index);
CREATE INDEX ix_scenario ON transcripts (scenario_id);
CREATE INDEX ix_run ON transcripts (run_id, id);
CREATE TABLE feature_queue (id text PRIMARY KEY NOT NULL, created_at integer NOT NULL, updated_at integer NOT NULL,
  feature_number integer NOT NULL, name text NOT NULL, category text NOT NULL, status text NOT NULL,
  priority text NOT NULL, priority_rank integer NOT NULL, test_steps text NOT NULL, result_data text,
  execution_log text, failure_kind text, attempt integer NOT NULL, max_attempts integer NOT NULL,
  unmet_dependencies integer NOT NULL, claim_token text, claimed_by text, lease_expires_at integer,
  finished_at integer);
CREATE UNIQUE INDEX uq_feature ON feature_queue (feature_number);
CREATE INDEX ix_ready ON feature_queue (status, unmet_dependencies, priority_rank, created_at, id);
CREATE TABLE feature_transitions (id text PRIMARY KEY NOT NULL, created_at integer NOT NULL, feature_id text NOT NULL,
  feature_number integer NOT NULL, from_status text, to_status text NOT NULL, actor text, attempt integer NOT NULL,
  note text);
CREATE INDEX ix_transition ON feature_transitions (feature_number);
"""


class Drizzle(NodeSide):
    """Drizzle as its documentation shows it, queries that repeat prepared."""

    name = "Drizzle"
    program = "drizzle.mjs"
    package = "drizzle-orm"
    tables = _TABLES
    instant = "CAST(round((julianday({c}) - 2440587.5) * 86400000) AS INTEGER)"  # milliseconds
