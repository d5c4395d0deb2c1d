// One face over all SDKs: the same call, the same result, whatever the SDK returns or however it reports an error.
// It hides documented differences of shape only; it repairs nothing. The native database object stays reachable as `api.db`.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { SDKS, wxNumber } from './sdks.mjs'
import { openClient } from './browser.mjs'
import { commandLine, createIndex } from './server.mjs'

const load = createRequire(import.meta.url)
const base = { env: process.env.WAFERDB_TEST_ENV, id: process.env.WAFERDB_TEST_SECRET_ID, key: process.env.WAFERDB_TEST_SECRET_KEY }

/** Opens an SDK. `over` replaces parts of the credentials: `{ env, id, key }`. */
export function open (name, way, over = {}) {
  const sdk = SDKS[name]
  const { env, id, key } = { ...base, ...over }
  if (sdk.client) return openAsClient(name, sdk, way, { env, token: `${id}.${key}` })
  const url = process.env.WAFERDB_TEST_URL + '/admin'
  Object.assign(process.env, { TENCENTCLOUD: 'true', TENCENTCLOUD_SECRETID: id, TENCENTCLOUD_SECRETKEY: key })
  if (way === 'context') process.env.TCB_CONTEXT_CNFG = JSON.stringify({ URL: url })
  const options = way === 'url' ? { env, secretId: id, secretKey: key, serviceUrl: url } : { env, secretId: id, secretKey: key }
  const module = load(name)
  if (sdk.family === 'wx') {
    // A second `init` of one module changes the first: a program of its own is made for other credentials.
    module.init(options)
    return new Wx(name, sdk, module, module.database())
  }
  const app = module.init(options)
  return new (sdk.family === 'admin' ? Admin : Node)(name, sdk, app, app.database())
}

/** Opens a client SDK as a page would. Its token is a key pair's, so no rules stand between. */
async function openAsClient (name, sdk, way, credentials) {
  const { app, db } = await openClient(name, way, credentials)
  if (sdk.family === 'wx') return new Mini(name, sdk, app, db)
  return new Web(name, sdk, app, db)
}

class Api {
  constructor (name, sdk, app, db) {
    Object.assign(this, { name, ...sdk, app, db, _: db.command, $: db.command.aggregate, made: 0 })
  }

  /** Makes an empty collection of its own for a scenario. */
  async collection (documents = []) {
    const name = `c_${this.name.replaceAll('-', '_')}_${process.pid}_${++this.made}_${Math.random().toString(36).slice(2, 8)}`
    await this.createCollection(name)
    for (const document of documents) await this.add(name, document)
    return name
  }

  async createCollection (name) { return this.checked(await this.db.createCollection(name)) }

  async index (collection, fields, options) { return createIndex(collection, fields, options) }

  /** Turns `where`, `sort` (`[[path, 'asc'], …]`), `skip`, `limit`, `field` into a query of the SDK. */
  query (collection, { where, sort = [], skip, limit, field } = {}) {
    let query = this.db.collection(collection)
    if (where !== undefined) query = query.where(where)
    for (const [path, direction] of sort) query = query.orderBy(path, direction)
    if (skip !== undefined) query = query.skip(skip)
    if (limit !== undefined) query = query.limit(limit)
    if (field !== undefined) query = query.field(field)
    return query
  }

  async find (collection, ask) { return plain(this.checked(await this.query(collection, ask).get()).data) }
  async ids (collection, ask) { return (await this.find(collection, ask)).map(document => document._id) }
  async count (collection, where) { return this.checked(await this.query(collection, { where }).count()).total }
  doc (collection, id) { return this.db.collection(collection).doc(id) }

  /** A result that says it failed becomes an error; only tcb-admin-node needs it. */
  checked (result) { return result }

  /** Asserts that `call` fails as a program would see it: with `code`, and a message that `match`es. */
  async fails (call, { code, match }, place = 'document') {
    let answer
    try { answer = this.checked(await call()) } catch (error) { return this.checkFailure(error, code, match, place) }
    assert.fail(`expected ${code}, but the call succeeded with ${JSON.stringify(answer)}`)
  }

  checkFailure (error, code, match) {
    assert.equal(error.code, code, `code of: ${error.message}`)
    if (match) assert.match(String(error.message), match)
  }
}

class Node extends Api {
  async add (collection, document) { return (await this.db.collection(collection).add(document)).id }
  async addMany (collection, documents) { return (await this.db.collection(collection).add(documents)).ids }
  async get (collection, id) { return plain((await this.doc(collection, id).get()).data[0] ?? null) }
  async update (collection, where, change) { return (await this.query(collection, { where }).update(change)).updated }
  async updateDoc (collection, id, change) { return (await this.doc(collection, id).update(change)).updated }
  async set (collection, id, document) {
    const { updated, upsertedId } = await this.doc(collection, id).set(document)
    return { updated, created: upsertedId ? 1 : 0 }
  }

  async remove (collection, where) { return (await this.query(collection, { where }).remove()).deleted }
  async removeDoc (collection, id) { return (await this.doc(collection, id).remove()).deleted }
  async aggregate (collection, build) { return plain((await build(this.db.collection(collection).aggregate()).end()).data) }
  async transaction (work, times) {
    return this.db.runTransaction(transaction => work(new NodeTransaction(transaction)), times)
  }
}

class Admin extends Api {
  checked (result) {
    if (!result?.code) return result
    throw Object.assign(new Error(result.message), result)
  }

  async add (collection, document) { return this.checked(await this.db.collection(collection).add(document)).id }
  async get (collection, id) { return plain(this.checked(await this.doc(collection, id).get()).data[0] ?? null) }
  async update (collection, where, change) {
    return this.checked(await this.query(collection, { where }).update(change)).updated
  }

  async updateDoc (collection, id, change) { return this.checked(await this.doc(collection, id).update(change)).updated }
  async set (collection, id, document) {
    const { updated, upsertedId } = this.checked(await this.doc(collection, id).set(document))
    return { updated, created: upsertedId ? 1 : 0 }
  }

  async remove (collection, where) { return this.checked(await this.query(collection, { where }).remove()).deleted }
  async removeDoc (collection, id) { return this.checked(await this.doc(collection, id).remove()).deleted }
  async aggregate (collection, build) {
    return plain(this.checked(await build(this.db.collection(collection).aggregate()).end()).data)
  }

  async transaction (work, times) {
    return this.db.runTransaction(transaction => work(new NodeTransaction(transaction)), times)
  }
}

/** Errors are results with a code; those of a doubled id have a code of their own. */
class Web extends Admin {
  async addMany (collection, documents) { return this.checked(await this.db.collection(collection).add(documents)).ids }

  checkFailure (error, code, match) {
    const spelt = { DATABASE_REQUEST_FAILED: /E11000/.test(error.message) ? 'DATABASE_DUPLICATE_WRITE' : code, INVALIID_ENV: 'INVALID_ENV' }
    // tcb-js-sdk rejects with the code in brackets before the message.
    const told = error.code ?? /^\[(\w+)\]/.exec(error.message)?.[1]
    assert.equal(told, spelt[code] ?? code, `code of: ${error.message}`)
    if (match) assert.match(String(error.message), match)
  }
}

class Wx extends Api {
  async add (collection, document) { return (await this.db.collection(collection).add({ data: document }))._id }
  async addMany (collection, documents) { return (await this.db.collection(collection).add({ data: documents }))._ids }
  async get (collection, id) {
    try {
      return plain((await this.doc(collection, id).get()).data)
    } catch (error) {
      if (/does not exist|not exists?$/.test(error.errMsg ?? error.message) && (error.errCode ?? -1) === -1) return null
      throw error
    }
  }

  async update (collection, where, change) {
    return (await this.query(collection, { where }).update({ data: change })).stats.updated
  }

  async updateDoc (collection, id, change) { return (await this.doc(collection, id).update({ data: change })).stats.updated }
  async set (collection, id, document) {
    const { stats } = await this.doc(collection, id).set({ data: document })
    return { updated: stats.updated, created: stats.created }
  }

  async remove (collection, where) { return (await this.query(collection, { where }).remove()).stats.removed }
  async removeDoc (collection, id) { return (await this.doc(collection, id).remove()).stats.removed }
  async aggregate (collection, build) { return plain((await build(this.db.collection(collection).aggregate()).end()).list) }
  async transaction (work, times) {
    return this.db.runTransaction(transaction => work(new WxTransaction(transaction)), times)
  }

  checkFailure (error, code, match, place) {
    const text = String(error.errMsg ?? error.message)
    if (this.name === 'wx-4' && place !== 'document') {
      // wx-server-sdk 4 lets the inner error through for everything but documents: number -1, string code kept.
      assert.equal(error.errCode, -1, text)
      assert.equal(error.code, code, text)
    } else {
      assert.equal(error.errCode, wxNumber(code), text)
    }
    if (match) assert.match(text, match)
  }
}

/** `wx.cloud` of a client: no collections are made with it, and a query returns few rows unless the server lets it. */
class Mini extends Wx {
  async createCollection (name) {
    const env = process.env.WAFERDB_TEST_ENV
    if (!this.widened) await commandLine('env', 'limits', env, 'rows_max_wx=1000')
    this.widened = true
    await commandLine('collection', 'create', '--env', env, name)
  }

  async get (collection, id) {
    try { return plain((await this.doc(collection, id).get()).data) } catch (error) {
      if (/cannot find document/.test(error.errMsg)) return null
      throw error
    }
  }

  async removeDoc (collection, id) {
    try { return (await this.doc(collection, id).remove()).stats.removed } catch (error) {
      if (/cannot remove document/.test(error.errMsg)) return 0
      throw error
    }
  }
}

class NodeTransaction {
  constructor (native) { this.native = native }
  doc (collection, id) { return this.native.collection(collection).doc(id) }
  async get (collection, id) { return plain((await this.doc(collection, id).get()).data ?? null) }
  async add (collection, document) { return this.native.collection(collection).add(document) }
  async set (collection, id, document) { return this.doc(collection, id).set(document) }
  async update (collection, id, change) { return this.doc(collection, id).update(change) }
  async remove (collection, id) {
    const doc = this.doc(collection, id)
    return doc.remove ? doc.remove() : doc.delete()
  }

  async rollback (reason) { return this.native.rollback(reason) }
}

class WxTransaction extends NodeTransaction {
  async get (collection, id) {
    try { return await super.get(collection, id) } catch (error) {
      if (/does not exist/.test(error.errMsg ?? error.message)) return null
      throw error
    }
  }

  async add (collection, document) { return this.native.collection(collection).add({ data: document }) }
  async set (collection, id, document) { return this.doc(collection, id).set({ data: document }) }
  async update (collection, id, change) { return this.doc(collection, id).update({ data: change }) }
}

/** Geo objects become GeoJSON, everything else stays as the SDK gave it (dates are `Date`s). */
export function plain (value) {
  if (value === null || typeof value !== 'object' || value instanceof Date || value instanceof RegExp) return value
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value.toJSON === 'function' && value.constructor !== Object) return plain(value.toJSON())
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}
