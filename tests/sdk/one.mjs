// Runs the scenarios with one SDK, pointed at the server in one way: `one.mjs SDK WAY [WORD…]`. Prints a JSON line for each.
import { readdir } from 'node:fs/promises'
import { open } from './adapter.mjs'
import { SDKS } from './sdks.mjs'

const [name, way, ...words] = process.argv.slice(2)
const TIME_MAX_MS = 30_000

/** Thrown by a scenario that this SDK cannot run; the reason is for people. */
class Absent extends Error {}
const absent = reason => { throw new Absent(reason) }

const folder = new URL('scenarios/', import.meta.url)
const files = (await readdir(folder)).filter(file => file.endsWith('.mjs')).sort()
const api = await open(name, way)
for (const file of files) {
  const { scenarios } = await import(new URL(file, folder))
  for (const [title, run] of Object.entries(scenarios)) {
    const scenario = `${file.replace(/^\d+-|\.mjs$/g, '')}: ${title}`
    if (words.length && !words.some(word => scenario.includes(word))) continue
    if (SDKS[name].lacks?.[way].some(word => scenario.includes(word))) {
      console.log(JSON.stringify({ scenario, result: 'absent', detail: 'the SDK has no such call, or spoils it', ms: 0 }))
      continue
    }
    const began = performance.now()
    const outcome = await attempt(run)
    console.log(JSON.stringify({ scenario, ...outcome, ms: Math.round(performance.now() - began) }))
  }
}
process.exit()

async function attempt (run) {
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${TIME_MAX_MS / 1000} s`)), TIME_MAX_MS)
  })
  try {
    await Promise.race([run(api, { absent, way, open: over => open(name, way, over) }), late])
    return { result: 'pass' }
  } catch (error) {
    if (error instanceof Absent) return { result: 'absent', detail: error.message }
    if (error.notHere) return { result: 'skip', detail: error.message }
    return { result: 'fail', detail: describe(error) }
  } finally {
    clearTimeout(timer)
  }
}

function describe (error) {
  const where = String(error.stack ?? '').split('\n').filter(line => line.includes('/scenarios/')).slice(0, 2).join('\n')
  return `${error.errMsg ?? error.message ?? JSON.stringify(error)}\n${where}`
}
