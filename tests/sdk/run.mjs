// Runs every scenario with every SDK and prints one table. Arguments narrow: an SDK's name, a way (`url`, `web`, …), or words
// of scenarios' names.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { SDKS } from './sdks.mjs'
import { start } from './server.mjs'

const words = process.argv.slice(2)
const chosen = Object.keys(SDKS).filter(name => words.includes(name))
// The stand-in of `make oracle` speaks the server SDKs' protocol only.
const names = (chosen.length ? chosen : Object.keys(SDKS)).filter(name => !(SDKS[name].client && process.env.WAFERDB_STAND_IN))
const allWays = ['url', 'context', 'web', 'rest', 'script', 'program']
const ways = allWays.filter(way => words.includes(way))
const narrowed = words.filter(word => !SDKS[word] && !allWays.includes(word))
const columns = names.flatMap(name => SDKS[name].ways.map(way => ({ name, way })))
  .filter(({ way }) => ways.length === 0 || ways.includes(way))
const results = new Map()
const SLOW_MS = 3000
/** Watching needs a global WebSocket, which Node has from 22 on, and from 20 on if asked for. */
const SOCKETS = process.allowedNodeEnvironmentFlags.has('--experimental-websocket') ? ['--experimental-websocket'] : []

const troubles = []
for (const column of columns) await runOne(column)
printTable()
process.exitCode = summary()

/** Each SDK and way has a process of its own, as they read their settings from the environment, once; and a server of its own. */
async function runOne ({ name, way }) {
  const server = await start()
  const child = spawn(process.execPath, [...SOCKETS, fileURLToPath(new URL('one.mjs', import.meta.url)), name, way, ...narrowed], {
    env: { ...process.env, ...server.env }, stdio: ['ignore', 'pipe', 'inherit']
  })
  const ended = new Promise(resolve => child.on('exit', (code, signal) => resolve(code ?? signal)))
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{"scenario"')) { console.log(`  [${name} ${way}] ${line}`); continue }
    const { scenario, ...result } = JSON.parse(line)
    if (!results.has(scenario)) results.set(scenario, new Map())
    results.get(scenario).set(`${name} ${way}`, result)
  }
  const code = await ended
  const stopped = await server.stop()
  if (stopped && stopped.code !== 0) troubles.push(`the server of ${name} ended with ${stopped.code} on SIGTERM`)
  if (stopped?.output.includes('panicked at')) troubles.push(`the server of ${name} panicked:\n${stopped.output.slice(-4000)}`)
  if (code !== 0) set(`(${name} ${way} ended with ${code})`, `${name} ${way}`, { result: 'fail', detail: 'the program died' })
}

function set (scenario, column, result) {
  if (!results.has(scenario)) results.set(scenario, new Map())
  results.get(scenario).set(column, result)
}

function printTable () {
  const marks = { pass: '✓', fail: '✗', absent: '·', skip: '-' }
  const width = Math.max(...[...results.keys()].map(name => name.length), 10)
  columns.forEach(({ name, way }, index) => console.log(`${' '.repeat(width)} ${' │'.repeat(index)} ┌ ${name} by ${way}`))
  for (const [scenario, row] of results) {
    const cells = columns.map(({ name, way }) => marks[row.get(`${name} ${way}`)?.result] ?? '?')
    console.log(`${scenario.padEnd(width)}  ${cells.join(' ')}`)
  }
  console.log('✓ as expected   ✗ not   · the SDK has no such call, or cannot (a defect of its own)   - not possible on this server')
}

function summary () {
  const counts = { pass: 0, fail: 0, absent: 0, skip: 0 }
  for (const [scenario, row] of results) {
    for (const [column, { result, detail }] of row) {
      counts[result] += 1
      if (result === 'fail') console.log(`\n✗ ${scenario} – ${column}\n  ${detail.replaceAll('\n', '\n  ')}`)
    }
  }
  for (const trouble of troubles) console.log(`\n✗ ${trouble}`)
  const slow = [...results].flatMap(([scenario, row]) => [...row].map(([column, { ms }]) => ({ scenario, column, ms })))
    .filter(({ ms }) => ms > SLOW_MS).sort((left, right) => right.ms - left.ms).slice(0, 5)
  for (const { scenario, column, ms } of slow) console.log(`slow: ${scenario} – ${column}: ${(ms / 1000).toFixed(1)} s`)
  const missing = troubles.length + [...results.values()].reduce((sum, row) => sum + columns.length - row.size, 0)
  console.log(`\n${counts.pass} passed, ${counts.fail + missing} failed, ${counts.skip} skipped (${counts.absent} not in the SDK)`)
  return counts.fail + missing > 0 || counts.pass === 0 ? 1 : 0
}
