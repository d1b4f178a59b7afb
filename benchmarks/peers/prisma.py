"""Prisma, its client with the driver adapters; nothing validated."""

from __future__ import annotations

from benchmarks.peers.node_side import NodeSide

__all__ = ["Prisma"]

# What `prisma migrate` makes of the schema on SQLite; it needs an engine that it downloads, and this does not.
_TABLES = """
CREATE TABLE definitions (id TEXT NOT NULL PRIMARY KEY, created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME NOT NULL, parent_id TEXT REFERENCES definitions (id) ON DELETE RESTRICT, name TEXT NOT NULL,
  content JSONB NOT NULL, created_by TEXT);
CREATE INDEX ix_parent ON definitions (parent_id);
CREATE INDEX ix_name ON definitions (name);
CREATE INDEX ix_created_by ON definitions (created_by);
CREATE INDEX ix_created_at ON definitions (created_at);
CREATE TABLE scenarios (id TEXT NOT NULL PRIMARY KEY, created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME NOT NULL, definition_id TEXT NOT NULL REFERENCES definitions (id) ON DELETE CASCADE,
  name TEXT NOT NULL, content JSONB NOT NULL);
CREATE UNIQUE INDEX uq_scenario ON scenarios (definition_id, name);
CREATE TABLE runs (id TEXT NOT NULL PRIMARY KEY, created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME NOT NULL, definition_id TEXT NOT NULL REFERENCES definitions (id) ON DELETE RESTRICT,
  experiment_id TEXT, status TEXT NOT NULL, config JSONB NOT NULL, progress JSONB NOT NULL,
  content_sha256 TEXT NOT NULL, definition_schema_version INTEGER NOT NULL, started_at DATETIME,
  finished_at DATETIME, heartbeat_at DATETIME, error TEXT);
CREATE INDEX ix_definition ON runs (definition_id);
CREATE INDEX ix_experiment ON runs (experiment_id);
CREATE INDEX ix_status ON runs (status);
CREATE TABLE transcripts (id TEXT NOT NULL PRIMARY KEY, created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  run_id TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
  scenario_id TEXT REFERENCES scenarios (id) ON DELETE SET NULL, model TEXT NOT NULL,
  sample_index INTEGER NOT NULL DEFAULT 0, content JSONB NOT NULL, metrics JSONB, input_tokens BIGINT,
  output_tokens BIGINT, duration_ms BIGINT);
CREATE UNIQUE INDEX uq_transcript ON transcripts (run_id, scenario_id, model, sample_index);
CREATE INDEX ix_scenario ON transcripts (scenario_id);
CREATE INDEX ix_run ON transcripts (run_id, id);
CREATE TABLE feature_queue (id TEXT NOT NULL PRIMARY KEY, created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME NOT NULL, feature_number INTEGER NOT NULL, name TEXT NOT NULL, category TEXT NOT NULL,
  status TEXT NOT NULL, priority TEXT NOT NULL, priority_rank INTEGER NOT NULL, test_steps TEXT NOT NULL,
  result_data TEXT, execution_log TEXT, failure_kind TEXT, attempt INTEGER NOT NULL, max_attempts INTEGER NOT NULL,
  unmet_dependencies INTEGER NOT NULL, claim_token TEXT, claimed_by TEXT, lease_expires_at DATETIME,
  finished_at DATETIME);
CREATE UNIQUE INDEX uq_feature ON feature_queue (feature_number);
CREATE INDEX ix_ready ON feature_queue (status, unmet_dependencies, priority_rank, created_at, id);
CREATE TABLE feature_transitions (id TEXT NOT NULL PRIMARY KEY,
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, feature_id TEXT NOT NULL, feature_number INTEGER NOT NULL,
  from_status TEXT, to_status TEXT NOT NULL, actor TEXT, attempt INTEGER NOT NULL, note TEXT);
CREATE INDEX ix_transition ON feature_transitions (feature_number);
"""


class Prisma(NodeSide):
    """Prisma as its documentation shows it."""

    name = "Prisma"
    program = "prisma.mjs"
    package = "prisma"
    tables = _TABLES
    instant = "replace({c}, 'Z', '+00:00')"
