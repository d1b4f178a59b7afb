// The tables for Drizzle, once for each engine.
import * as pg from 'drizzle-orm/pg-core'
import * as sqlite from 'drizzle-orm/sqlite-core'
import { v7 } from 'uuid'

const kinds = {
  sqlite: {
    table: sqlite.sqliteTable,
    key: name => sqlite.text(name),
    text: name => sqlite.text(name),
    number: name => sqlite.integer(name),
    instant: name => sqlite.integer(name, { mode: 'timestamp_ms' }),
    document: name => sqlite.text(name, { mode: 'json' }),
  },
  postgresql: {
    table: pg.pgTable,
    key: name => pg.uuid(name),
    text: name => pg.text(name),
    number: name => pg.bigint(name, { mode: 'number' }),
    instant: name => pg.timestamp(name, { withTimezone: true }),
    document: name => pg.jsonb(name),
  },
}

export function tables(engine) {
  const { table, key, text, number, instant, document } = kinds[engine]
  const id = () => key('id').primaryKey().$defaultFn(v7)
  const made = name => instant(name).notNull().$defaultFn(() => new Date())
  const common = () => ({ id: id(), createdAt: made('created_at'), updatedAt: made('updated_at') })
  return {
    definitions: table('definitions', {
      ...common(),
      parentId: key('parent_id'),
      name: text('name').notNull(),
      content: document('content').notNull(),
      createdBy: key('created_by'),
    }),
    runs: table('runs', {
      ...common(),
      definitionId: key('definition_id').notNull(),
      experimentId: key('experiment_id'),
      status: text('status').notNull(),
      config: document('config').notNull(),
      progress: document('progress').notNull(),
      contentSha256: text('content_sha256').notNull(),
      definitionSchemaVersion: number('definition_schema_version').notNull(),
      startedAt: instant('started_at'),
      finishedAt: instant('finished_at'),
      heartbeatAt: instant('heartbeat_at'),
      error: text('error'),
    }),
    transcripts: table('transcripts', {
      id: id(),
      createdAt: made('created_at'),
      runId: key('run_id').notNull(),
      scenarioId: key('scenario_id'),
      model: text('model').notNull(),
      sampleIndex: number('sample_index').notNull(),
      content: document('content').notNull(),
      metrics: document('metrics'),
      inputTokens: number('input_tokens'),
      outputTokens: number('output_tokens'),
      durationMs: number('duration_ms'),
    }),
    features: table('feature_queue', {
      ...common(),
      featureNumber: number('feature_number').notNull(),
      name: text('name').notNull(),
      category: text('category').notNull(),
      status: text('status').notNull(),
      priority: text('priority').notNull(),
      priorityRank: number('priority_rank').notNull(),
      testSteps: text('test_steps').notNull(),
      resultData: text('result_data'),
      executionLog: text('execution_log'),
      failureKind: text('failure_kind'),
      attempt: number('attempt').notNull(),
      maxAttempts: number('max_attempts').notNull(),
      unmetDependencies: number('unmet_dependencies').notNull(),
      claimToken: key('claim_token'),
      claimedBy: text('claimed_by'),
      leaseExpiresAt: instant('lease_expires_at'),
      finishedAt: instant('finished_at'),
    }),
    transitions: table('feature_transitions', {
      id: id(),
      createdAt: made('created_at'),
      featureId: key('feature_id').notNull(),
      featureNumber: number('feature_number').notNull(),
      fromStatus: text('from_status'),
      toStatus: text('to_status').notNull(),
      actor: text('actor'),
      attempt: number('attempt').notNull(),
      note: text('note'),
    }),
  }
}
