// A browser as client SDKs need it – requests, storage, a place – on top of Node, and each client SDK opened in it. The SDKs
// are unmodified; what a page would have from signing in, a token, stands in its storage or goes with each request.
import { createRequire } from 'node:module'
import { openProgram } from './program.mjs'

const load = createRequire(import.meta.url)
const HOME = 'http://page.local:80/'

/** Opens a client SDK in one of its ways; returns what it calls its app and its database. */
export async function openClient (name, way, { env, token }) {
  const url = process.env.WAFERDB_TEST_URL
  const host = new URL(url).host
  if (way === 'program') return openProgram(name, { env, token })
  browser({ token, at: url })
  if (way === 'rest') {
    const app = loaded(name).init({ env, accessKey: token })
    app.registerHost(host, 'http')
    return { app, db: app.database() }
  }
  if (way === 'script') {
    const cloud = loaded(name).initCloud()
    const app = new cloud.Cloud({ identityless: true, resourceAppid: 'wx1', resourceEnv: env, config: { customDomain: url } })
    await app.init()
    return { app, db: app.database() }
  }
  const day = 86_400_000
  const credentials = { token_type: 'Bearer', access_token: token, refresh_token: 'none', expires_in: 86_400, expires_at: new Date(Date.now() + day).toISOString(), sub: 'somebody', scope: 'user', groups: [] }
  if (token) localStorage.setItem(`credentials_${env}`, JSON.stringify(credentials))
  const app = loaded(name).init({ env, endPointMode: 'CLOUD_API' })
  if (name === 'js-sdk-3') app.registerHost(host, 'http')
  else app.registerEndPoint?.(`//${host}/web`, name === 'js-sdk-1' ? 'http:' : 'http')
  app.auth({ persistence: 'local' })
  return { app, db: app.database() }
}

/** The build for pages: for Node the newest SDK has another, which hides errors. */
function loaded (name) {
  const module = load(name === 'js-sdk-3' ? new URL('node_modules/js-sdk-3/dist/index.cjs.js', import.meta.url).pathname : name)
  return module.default ?? module
}

/** Makes the globals. `token` goes with each request that brings none; `at` is where a fixed host really is. */
function browser ({ token, at }) {
  class Request {
    constructor () { Object.assign(this, { readyState: 0, status: 0, responseText: '', response: '', responseType: '', asked: {}, listeners: {} }) }
    open (method, url) { this.method = method; this.url = new URL(url, HOME).href.replace(/^https?:\/\/tcb-api\.tencentcloudapi\.com/, at) }
    setRequestHeader (name, value) { this.asked[name.toLowerCase()] = String(value) }
    addEventListener (kind, listener) { (this.listeners[kind] ??= []).push(listener) }
    removeEventListener () {}
    getResponseHeader (name) { return this.found?.headers.get(name) ?? null }
    getAllResponseHeaders () { return [...this.found?.headers ?? []].map(pair => pair.join(': ')).join('\r\n') }
    abort () { this.stop?.abort() }
    tell (kind) {
      const event = { type: kind, target: this, currentTarget: this }
      this[`on${kind}`]?.call(this, event)
      for (const listener of this.listeners[kind] ?? []) listener.call(this, event)
    }

    async send (body) {
      this.stop = new AbortController()
      const headers = token && !this.asked.authorization ? { ...this.asked, authorization: `Bearer ${token}` } : this.asked
      try {
        this.found = await fetch(this.url, { method: this.method, headers, body: body ?? undefined, signal: this.stop.signal })
        this.responseText = await this.found.text()
      } catch (error) {
        this.readyState = 4
        this.tell('readystatechange'); this.tell('error'); this.tell('loadend')
        return
      }
      this.status = this.found.status
      this.statusText = this.found.statusText
      this.response = this.responseType === 'json' ? JSON.parse(this.responseText || 'null') : this.responseText
      this.readyState = 4
      this.tell('readystatechange'); this.tell('load'); this.tell('loadend')
    }
  }
  const { protocol, host, hostname, href } = new URL(HOME)
  const shown = { window: globalThis, self: globalThis, location: { protocol, host, hostname, href, origin: HOME.slice(0, -1), search: '', hash: '' },
    localStorage: storage(), sessionStorage: storage(), XMLHttpRequest: Request, WebSocket: class {}, document: { cookie: '', addEventListener () {}, createElement: () => ({}) } }
  for (const [name, value] of Object.entries(shown)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
  globalThis.addEventListener ??= () => {}
  Object.defineProperty(globalThis, 'navigator', { value: { userAgent: 'scenarios', onLine: true }, configurable: true })
}

function storage () {
  const kept = new Map()
  return { getItem: name => kept.get(name) ?? null, setItem: (name, value) => { kept.set(name, String(value)) }, removeItem: name => { kept.delete(name) }, clear: () => kept.clear() }
}
