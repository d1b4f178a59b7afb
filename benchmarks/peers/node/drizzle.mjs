// Drizzle's side of the comparison, with better-sqlite3 and pg; queries that repeat are prepared.
import { randomUUID } from 'node:crypto'
import Database from 'better-sqlite3'
import { and, asc, desc, eq, gt, placeholder, sql } from 'drizzle-orm'
import { drizzle as onSqlite } from 'drizzle-orm/better-sqlite3'
import { drizzle as onPostgresql } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import { added, engine, nested, parsed, place, serve } from './common.mjs'
import { tables } from './drizzle_schema.mjs'

const sqlite = engine === 'sqlite'
const client = sqlite ? new Database(place.file) : new pg.Pool({ ...place, max: 1 })
const db = sqlite ? onSqlite(client) : onPostgresql(client)
const { definitions, runs, transcripts, features, transitions } = tables(engine)

const got = db.select().from(definitions).where(eq(definitions.id, placeholder('id'))).prepare('got')
const listed = db
  .select()
  .from(runs)
  .innerJoin(definitions, eq(definitions.id, runs.definitionId))
  .orderBy(desc(runs.id))
  .limit(placeholder('limit'))
  .prepare('listed')
const incremented = db
  .update(runs)
  .set({ progress: sql.raw(added), updatedAt: sql`${placeholder('at')}` })
  .where(eq(runs.id, placeholder('id')))
  .prepare('incremented')
const ofRun = eq(transcripts.runId, placeholder('run'))
const page = where => db.select().from(transcripts).where(where).orderBy(asc(transcripts.id)).limit(1000)
const first = page(ofRun).prepare('first_page')
const following = page(and(ofRun, gt(transcripts.id, placeholder('after')))).prepare('following_page')

// Recursion has to be written as SQL, which goes to the driver as it is.
const recursive = sqlite
  ? async (query, key) => client.prepare(query).all(key)
  : async (query, key) => (await client.query(query, [key])).rows

function next(tx) {
  const ready = and(eq(features.status, 'PENDING'), eq(features.unmetDependencies, 0))
  const order = [asc(features.priorityRank), asc(features.createdAt), asc(features.id)]
  return tx.select().from(features).where(ready).orderBy(...order).limit(1)
}

function taken(tx, found) {
  const claim = { claimedBy: 'worker', claimToken: randomUUID(), leaseExpiresAt: new Date(Date.now() + 300_000) }
  const state = { ...claim, status: 'IN_PROGRESS', attempt: found.attempt + 1, updatedAt: new Date() }
  return tx.update(features).set(state).where(eq(features.id, found.id)).returning()
}

function recorded(tx, { id, featureNumber, attempt, claimedBy }) {
  const states = { fromStatus: 'PENDING', toStatus: 'IN_PROGRESS', actor: claimedBy }
  return tx.insert(transitions).values({ featureId: id, featureNumber, attempt, ...states })
}

const shown = ({ featureNumber, attempt, claimedBy }) => [featureNumber, attempt, claimedBy]

// better-sqlite3 knows no transactions across an await.
const claim = sqlite
  ? async () =>
      db.transaction(
        tx => {
          const claimed = taken(tx, next(tx).get()).get()
          recorded(tx, claimed).run()
          return shown(claimed)
        },
        { behavior: 'immediate' },
      )
  : () =>
      db.transaction(async tx => {
        const [found] = await next(tx).for('update', { skipLocked: true })
        const [claimed] = await taken(tx, found)
        await recorded(tx, claimed)
        return shown(claimed)
      })

function batches(rows) {
  return Array.from({ length: Math.ceil(rows.length / 1000) }, (_, number) => rows.slice(number * 1000).slice(0, 1000))
}

await serve({
  execute: async statement => {
    if (sqlite) client.exec(statement)
    else await client.query(statement)
  },
  // Not prepared: that would give every row the same default key.
  create: async (name, content) => (await db.insert(definitions).values({ name, content }).returning())[0],
  get: async key => (await got.execute({ id: key }))[0],
  ancestors: async (query, key) => (await recursive(query, key)).slice(1).map(parsed),
  tree: async (query, key) => nested((await recursive(query, key)).map(parsed)),
  structure: async (query, key) => nested(await recursive(query, key)),
  createTranscripts: async (run, rows) => {
    const made = rows.map(row => ({ ...row, runId: run }))
    if (sqlite) db.transaction(tx => batches(made).forEach(batch => tx.insert(transcripts).values(batch).run()))
    else
      await db.transaction(async tx => {
        for (const batch of batches(made)) await tx.insert(transcripts).values(batch)
      })
  },
  listRuns: async limit => {
    const found = await listed.execute({ limit })
    return found.map(({ runs: run, definitions: of }) => [run.id, run.status, run.progress, of.name])
  },
  increment: run => incremented.execute({ at: sqlite ? Date.now() : new Date().toISOString(), id: run }),
  claim,
  // It has no cursors for these databases, so a page at a time.
  stream: async run => {
    let [count, turns, fairness, after] = [0, 0, 0, undefined]
    for (;;) {
      const found = await (after === undefined ? first.execute({ run }) : following.execute({ run, after }))
      for (const item of found) {
        count += 1
        turns += item.content.items.length
        fairness += item.metrics.values.fairness
      }
      if (found.length < 1000) return [count, turns, fairness]
      after = found[found.length - 1].id
    }
  },
})
if (sqlite) client.close()
else await client.end()
