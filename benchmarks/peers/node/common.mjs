// What every side in Node shares. Each line on stdin is a list of calls, [name, ...arguments]; each line on stdout
// answers with the seconds that they took, by this process's own clock, and with the last one's result if asked for.
import { createInterface } from 'node:readline'

export const [engine, place] = [process.argv[2], JSON.parse(process.argv[3])]

// The expression that counts one more completed transcript.
export const added = {
  sqlite: `json_set(progress, '$.completed', json_extract(progress, '$.completed') + 1)`,
  postgresql: `jsonb_set(progress, '{completed}', to_jsonb((progress->>'completed')::bigint + 1))`,
}[engine]

// What a raw query returns is plain text on SQLite, and a parsed document on PostgreSQL.
export function parsed(row) {
  if (typeof row.content === 'string') row.content = JSON.parse(row.content)
  return row
}

export function nested(found) {
  const nodes = new Map()
  for (const row of found) {
    row.children = []
    nodes.set(row.id, row)
    nodes.get(row.parent_id)?.children.push(row)
  }
  return found[0]
}

const text = (_, value) => (typeof value === 'bigint' ? Number(value) : value)

export async function serve(operations) {
  // Rows to insert come once and are kept, so that sending them is not timed.
  let held = []
  const every = {
    ...operations,
    collect: async () => globalThis.gc(),
    hold: async rows => {
      held = rows
    },
    createTranscripts: run => operations.createTranscripts(run, held),
  }
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const { calls, wanted } = JSON.parse(line)
    let result
    try {
      const start = process.hrtime.bigint()
      for (const [name, ...given] of calls) result = await every[name](...given)
      const seconds = Number(process.hrtime.bigint() - start) / 1e9
      process.stdout.write(JSON.stringify({ seconds, result: wanted ? (result ?? null) : null }, text) + '\n')
    } catch (error) {
      process.stdout.write(JSON.stringify({ error: String(error?.cause ?? error) }) + '\n')
    }
  }
}
