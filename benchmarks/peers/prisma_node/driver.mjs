// Prisma's side of the comparison. Each line on stdin is a list of calls, [name, ...arguments]; each line on stdout
// answers with the seconds that they took, by this process's own clock, and with the last one's result if asked for.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const [engine, place] = [process.argv[2], JSON.parse(process.argv[3])]
const require = createRequire(import.meta.url)
const { PrismaClient } = require(`./generated/${engine}`)

async function adapter() {
  if (engine === 'postgresql') {
    const { PrismaPg } = await import('@prisma/adapter-pg')
    return new PrismaPg({ ...place, max: 1 })
  }
  const { PrismaBetterSqlite3 } = await import('@prisma/adapter-better-sqlite3')
  return new PrismaBetterSqlite3({ url: `file:${place.file}` })
}

const prisma = new PrismaClient({ adapter: await adapter() })
let rows = []

// What a raw query returns is plain text on SQLite, and a parsed document on PostgreSQL.
function read(row) {
  if (typeof row.content === 'string') row.content = JSON.parse(row.content)
  return row
}

function nested(found) {
  const nodes = new Map()
  for (const row of found) {
    row.children = []
    nodes.set(row.id, row)
    nodes.get(row.parent_id)?.children.push(row)
  }
  return found[0]
}

const added = {
  sqlite: `json_set(progress, '$.completed', json_extract(progress, '$.completed') + 1)`,
  postgresql: `jsonb_set(progress, '{completed}', to_jsonb((progress->>'completed')::bigint + 1))`,
}[engine]
const increment =
  engine === 'sqlite'
    ? `UPDATE runs SET progress = ${added}, updated_at = ? WHERE id = ?`
    : `UPDATE runs SET progress = ${added}, updated_at = $1::timestamptz WHERE id = $2::uuid`

const operations = {
  collect: async () => globalThis.gc(),
  execute: async sql => {
    // A pragma may answer with a row, which only a query may.
    if (/^(PRAGMA|SELECT)/.test(sql)) await prisma.$queryRawUnsafe(sql)
    else await prisma.$executeRawUnsafe(sql)
  },
  create: (name, content) => prisma.definition.create({ data: { name, content } }),
  get: key => prisma.definition.findUniqueOrThrow({ where: { id: key } }),
  ancestors: async (sql, key) => (await prisma.$queryRawUnsafe(sql, key)).slice(1).map(read),
  tree: async (sql, key) => nested((await prisma.$queryRawUnsafe(sql, key)).map(read)),
  structure: async (sql, key) => nested(await prisma.$queryRawUnsafe(sql, key)),
  hold: async given => {
    rows = given
  },
  createTranscripts: run => prisma.transcript.createMany({ data: rows.map(row => ({ ...row, runId: run })) }),
  listRuns: async limit => {
    const found = await prisma.run.findMany({ orderBy: { id: 'desc' }, take: limit, include: { definition: true } })
    return found.map(run => [run.id, run.status, run.progress, run.definition.name])
  },
  increment: run => prisma.$executeRawUnsafe(increment, new Date().toISOString(), run),
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

const text = (_, value) => (typeof value === 'bigint' ? Number(value) : value)

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { calls, wanted } = JSON.parse(line)
  let result
  try {
    const start = process.hrtime.bigint()
    for (const [name, ...given] of calls) result = await operations[name](...given)
    const seconds = Number(process.hrtime.bigint() - start) / 1e9
    process.stdout.write(JSON.stringify({ seconds, result: wanted ? (result ?? null) : null }, text) + '\n')
  } catch (error) {
    process.stdout.write(JSON.stringify({ error: String(error) }) + '\n')
  }
}
await prisma.$disconnect()
