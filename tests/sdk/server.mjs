// Starts and stops the server under test, and reaches it by its command line where an SDK has no call (indexes).
// With WAFERDB_TEST_URL set the tests use a server that is already there; otherwise they start WAFERDB_BIN on a free port.
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const CREDENTIALS = {
  WAFERDB_TEST_ENV: 'scenarios-1a2b',
  WAFERDB_TEST_SECRET_ID: 'AKIDscenarios0000000000',
  WAFERDB_TEST_SECRET_KEY: 'scenarioSecretKey0123456789',
  WAFERDB_TEST_ADMIN_TOKEN: 'scenario-admin-token'
}
const READY_WITHIN_MS = 20_000

/** Returns `{ env, stop }`: the variables that the scenarios read, and how to end the server. */
export async function start () {
  if (process.env.WAFERDB_TEST_URL) return { env: { ...CREDENTIALS, ...process.env }, stop: async () => {} }
  const binary = process.env.WAFERDB_BIN
  if (!binary) throw new Error('set WAFERDB_BIN to the server under test, or WAFERDB_TEST_URL to one that is running')
  const data = await mkdtemp(join(tmpdir(), 'waferdb-sdk-'))
  const port = await freePort()
  const init = {
    WAFERDB_INIT_ENV: CREDENTIALS.WAFERDB_TEST_ENV,
    WAFERDB_INIT_SECRET_ID: CREDENTIALS.WAFERDB_TEST_SECRET_ID,
    WAFERDB_INIT_SECRET_KEY: CREDENTIALS.WAFERDB_TEST_SECRET_KEY,
    WAFERDB_INIT_ADMIN_TOKEN: CREDENTIALS.WAFERDB_TEST_ADMIN_TOKEN
  }
  const server = spawn(binary, ['serve', '--data', data, '--listen', `127.0.0.1:${port}`], {
    env: { ...process.env, ...init }, stdio: ['ignore', 'pipe', 'pipe']
  })
  const said = []
  for (const stream of [server.stdout, server.stderr]) stream.on('data', text => said.push(text))
  const ended = new Promise(resolve => server.on('exit', code => resolve(code ?? 'a signal')))
  const url = `http://127.0.0.1:${port}`
  const output = () => Buffer.concat(said).toString()
  await Promise.race([
    ready(url),
    ended.then(code => { throw new Error(`the server ended with ${code} before it was ready:\n${output()}`) })
  ])
  const stop = async () => {
    server.kill('SIGTERM')
    const code = await ended
    await rm(data, { recursive: true, force: true })
    return { code, output: output() }
  }
  return { env: { ...CREDENTIALS, WAFERDB_TEST_URL: url }, stop, pid: server.pid }
}

/** Waits until the server at `url` serves. */
export async function ready (url) {
  const until = Date.now() + READY_WITHIN_MS
  for (;;) {
    try {
      const answer = await fetch(url + '/healthz')
      if (answer.ok) return
    } catch {}
    if (Date.now() > until) throw new Error(`the server was not ready within ${READY_WITHIN_MS / 1000} s`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** A port that nobody listens on. */
export function freePort () {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => { const { port } = probe.address(); probe.close(() => resolve(port)) })
  })
}

/** `fields` as the command line takes them: `['name', 'due:-1', 'place:2dsphere']`; options: `unique`, `sparse`, `name`. */
export async function createIndex (collection, fields, { unique = false, sparse = false, name } = {}) {
  const flags = [...(unique ? ['--unique'] : []), ...(sparse ? ['--sparse'] : []), ...(name ? ['--name', name] : [])]
  await commandLine('index', 'create', '--env', process.env.WAFERDB_TEST_ENV, '--collection', collection, ...fields, ...flags)
}

/** Runs a verb of the command line against the server under test. */
export async function commandLine (...words) {
  if (!process.env.WAFERDB_BIN) throw Object.assign(new Error('needs WAFERDB_BIN'), { notHere: true })
  const to = ['--server', process.env.WAFERDB_TEST_URL, '--admin-token', process.env.WAFERDB_TEST_ADMIN_TOKEN]
  return promisify(execFile)(process.env.WAFERDB_BIN, [...to, ...words])
}
