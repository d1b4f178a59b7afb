// Prisma's side of the comparison: its client with the driver adapters, which need no engine beside the client.
import { createRequire } from 'node:module'
import { randomUUID } from 'node:crypto'
import { added, engine, nested, parsed, place, serve } from './common.mjs'

const { PrismaClient } = createRequire(import.meta.url)(`./generated/${engine}`)

async function adapter() {
  if (engine === 'postgresql') {
    const { PrismaPg } = await import('@prisma/adapter-pg')
    return new PrismaPg({ ...place, max: 1 })
  }
  const { PrismaBetterSqlite3 } = await import('@prisma/adapter-better-sqlite3')
  return new PrismaBetterSqlite3({ url: `file:${place.file}` })
}

const prisma = new PrismaClient({ adapter: await adapter() })
const increment =
  engine === 'sqlite'
    ? `UPDATE runs SET progress = ${added}, updated_at = ? WHERE id = ?`
    : `UPDATE runs SET progress = ${added}, updated_at = $1::timestamptz WHERE id = $2::uuid`

// Prisma's queries lock no rows.
const locked = `SELECT id FROM feature_queue WHERE status = 'PENDING' AND unmet_dependencies = 0
  ORDER BY priority_rank, created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED`

async function next(tx) {
  if (engine === 'postgresql') return (await tx.$queryRawUnsafe(locked))[0].id
  const where = { status: 'PENDING', unmetDependencies: 0 }
  const orderBy = [{ priorityRank: 'asc' }, { createdAt: 'asc' }, { id: 'asc' }]
  return (await tx.feature.findFirstOrThrow({ where, orderBy })).id
}

const operations = {
  execute: async sql => {
    // A pragma may answer with a row, which only a query may.
    if (/^(PRAGMA|SELECT)/.test(sql)) await prisma.$queryRawUnsafe(sql)
    else await prisma.$executeRawUnsafe(sql)
  },
  create: (name, content) => prisma.definition.create({ data: { name, content } }),
  get: key => prisma.definition.findUniqueOrThrow({ where: { id: key } }),
  ancestors: async (sql, key) => (await prisma.$queryRawUnsafe(sql, key)).slice(1).map(parsed),
  tree: async (sql, key) => nested((await prisma.$queryRawUnsafe(sql, key)).map(parsed)),
  structure: async (sql, key) => nested(await prisma.$queryRawUnsafe(sql, key)),
  createTranscripts: (run, rows) =>
    prisma.transcript.createMany({ data: rows.map(row => ({ ...row, runId: run })) }),
  listRuns: async limit => {
    const found = await prisma.run.findMany({ orderBy: { id: 'desc' }, take: limit, include: { definition: true } })
    return found.map(run => [run.id, run.status, run.progress, run.definition.name])
  },
  increment: run => prisma.$executeRawUnsafe(increment, new Date().toISOString(), run),
  claim: () =>
    prisma.$transaction(async tx => {
      const id = await next(tx)
      const claim = { claimedBy: 'worker', claimToken: randomUUID(), leaseExpiresAt: new Date(Date.now() + 300_000) }
      const data = { ...claim, status: 'IN_PROGRESS', attempt: { increment: 1 } }
      const { featureNumber, attempt, claimedBy } = await tx.feature.update({ where: { id }, data })
      const states = { fromStatus: 'PENDING', toStatus: 'IN_PROGRESS', actor: claimedBy }
      await tx.transition.create({ data: { featureId: id, featureNumber, attempt, ...states } })
      return [featureNumber, attempt, claimedBy]
    }),
  // Prisma has no cursors of the database's, so a page at a time.
  stream: async run => {
    let [count, turns, fairness, after] = [0, 0, 0, undefined]
    for (;;) {
      const where = after === undefined ? { runId: run } : { runId: run, id: { gt: after } }
      const page = await prisma.transcript.findMany({ where, orderBy: { id: 'asc' }, take: 1000 })
      for (const item of page) {
        count += 1
        turns += item.content.items.length
        fairness += item.metrics.values.fairness
      }
      if (page.length < 1000) return [count, turns, fairness]
      after = page[page.length - 1].id
    }
  },
}

await serve(operations)
await prisma.$disconnect()
