// `watch()` on a page in Chromium, with each client SDK that pages use: messages are written, the server is killed and the
// network goes away under the page; it must be told every version once and in order, and of nothing else.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { freePort, ready } from '../sdk/server.mjs'

const ENV = 'page-1a2b'
const KEY = { id: 'AKIDpage00000000000000', secret: 'pageSecretKey0123456789' }
const TOKEN = `${KEY.id}.${KEY.secret}`
const SHELLS = [process.env.WAFERDB_CHROMIUM, '/usr/bin/chromium-headless-shell', '/usr/bin/chromium', '/usr/bin/google-chrome']
const PATIENCE_MS = 40_000

/** The server under test, which can be killed and started again on its folder and port. */
class Server {
  static async start () {
    const server = new Server()
    server.data = await mkdtemp(join(tmpdir(), 'waferdb-page-'))
    server.port = await freePort()
    server.url = `http://127.0.0.1:${server.port}`
    await server.go()
    return server
  }

  async go () {
    const init = { WAFERDB_INIT_ENV: ENV, WAFERDB_INIT_SECRET_ID: KEY.id, WAFERDB_INIT_SECRET_KEY: KEY.secret, WAFERDB_INIT_ADMIN_TOKEN: 'page-admin-token' }
    this.child = spawn(process.env.WAFERDB_BIN, ['serve', '--data', this.data, '--listen', `127.0.0.1:${this.port}`], { env: { ...process.env, ...init }, stdio: 'ignore' })
    await ready(this.url)
  }

  async end (signal) {
    const ended = new Promise(resolve => this.child.on('exit', resolve))
    this.child.kill(signal)
    await ended
  }

  async call (action, members) {
    const body = JSON.stringify({ action, env: ENV, access_token: TOKEN, ...members })
    const answer = await (await fetch(`${this.url}/web?env=${ENV}`, { method: 'POST', body })).json()
    assert.equal(answer.code, undefined, `${action}: ${JSON.stringify(answer)}`)
    return answer
  }

  insert (data) { return this.call('database.addDocument', { collectionName: 'messages', _id: data._id, data }) }

  /** The next version of a message. */
  async count (id, room) {
    const members = { collectionName: 'messages', query: { _id: id, room }, data: { $inc: { n: 1 } }, queryType: 'WHERE', multi: true, merge: true, upsert: false }
    await this.call('database.updateDocument', members)
  }
}

/** The page's origin: another one than the server's. */
async function serve () {
  const { outputFiles: [bundle] } = await build({
    entryPoints: [new URL('page.mjs', import.meta.url).pathname], bundle: true, write: false, platform: 'browser', format: 'iife',
    nodePaths: [new URL('../sdk/node_modules', import.meta.url).pathname], define: { global: 'window' }, logLevel: 'error'
  })
  const site = createServer((request, response) => {
    const script = request.url === '/page.js'
    response.writeHead(200, { 'content-type': script ? 'text/javascript' : 'text/html' })
    response.end(script ? bundle.contents : '<!doctype html><title>page</title><script src="/page.js"></script>')
  })
  await new Promise(resolve => site.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${site.address().port}/`, close: () => site.close() }
}

async function watchOnPage (browser, site, server, sdk) {
  const room = `room of ${sdk}`
  const context = await browser.newContext()
  const page = await context.newPage()
  const loud = []
  page.on('console', message => { if (message.type() === 'error') loud.push(message.text()) })
  page.on('pageerror', error => loud.push(String(error)))
  await page.goto(site.url)
  await server.insert({ _id: `${sdk}-0`, room, n: 0 })
  const told = () => page.evaluate(() => window.told)
  const until = async (is, what) => {
    const end = Date.now() + PATIENCE_MS
    for (let now = await told(); !is(now); now = await told()) {
      const last = JSON.stringify({ ...now, snapshots: now.snapshots.slice(-2), count: now.snapshots.length })
      if (Date.now() > end) throw new Error(`${what}: ${last}\n${loud.slice(-5).join('\n')}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
  const version = now => now.snapshots.at(-1)?.docs[0]?.n
  await page.evaluate(([sdk, about]) => window.begin(sdk, about), [sdk, { url: server.url, env: ENV, token: TOKEN, room }])
  await until(now => now.snapshots.length === 1, 'the first documents')
  let written = 0
  const write = async count => { for (; count > 0; count--) await server.count(`${sdk}-0`, room).then(() => written++) }
  await write(10)
  await until(now => version(now) === written, 'changes')
  await write(5)
  await server.end('SIGKILL')
  await server.go()
  await write(10)
  await until(now => version(now) === written, 'changes around a kill of the server')
  await server.end('SIGTERM')
  await server.go()
  await write(5)
  await until(now => version(now) === written, 'changes after a restart of the server')
  await context.setOffline(true)
  await write(5)
  await context.setOffline(false)
  await write(5)
  await until(now => version(now) === written, 'changes while the page was offline')
  await server.insert({ _id: `${sdk}-1`, room, n: 0 })
  await server.insert({ _id: 'foreign', room: 'elsewhere', n: 0 }).catch(() => {})
  await server.call('database.deleteDocument', { collectionName: 'messages', query: { _id: `${sdk}-0` }, multi: true })
  await until(now => now.snapshots.at(-1)?.docs.length === 1 && now.snapshots.at(-1).docs[0]._id === `${sdk}-1`, 'one added, one gone')
  const { snapshots, errors } = await told()
  const versions = snapshots.filter(({ docs }) => docs[0]._id === `${sdk}-0`).map(({ docs }) => docs[0].n)
  const steps = versions.filter((n, at) => n !== versions[at - 1])
  assert.deepEqual(steps, Array.from({ length: written + 1 }, (_, n) => n), 'each version once and in order')
  assert.deepEqual(snapshots.slice(1).map(({ changes }) => changes.length).filter(count => count !== 1), [], 'each change by itself')
  assert.deepEqual(errors, [])
  await page.evaluate(() => window.watcher.close())
  await context.close()
  return snapshots.length
}

const shell = SHELLS.find(path => path && existsSync(path))
if (!shell) { console.error('no Chromium here'); process.exit(3) }
const [server, site, browser] = await Promise.all([
  Server.start(), serve(), chromium.launch({ executablePath: shell, args: ['--no-sandbox'] })
])
let [passed, failed] = [0, 0]
await server.call('database.addCollection', { collectionName: 'messages' })
for (const sdk of ['js-sdk-3', 'wxcloud-1']) {
  const began = Date.now()
  try {
    const snapshots = await watchOnPage(browser, site, server, sdk)
    console.log(`✓ watch on a page with ${sdk}: ${snapshots} snapshots over a kill, a restart and an interruption, ${((Date.now() - began) / 1000).toFixed(1)} s`)
    passed += 1
  } catch (error) {
    console.log(`✗ watch on a page with ${sdk}: ${error.stack}`)
    failed += 1
  }
}
await browser.close()
await server.end('SIGTERM')
site.close()
await rm(server.data, { recursive: true, force: true })
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
