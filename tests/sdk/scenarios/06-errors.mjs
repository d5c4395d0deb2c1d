// Errors as programs test for them: the codes and the words that user code matches on.
import assert from 'node:assert/strict'

const missing = { code: 'DATABASE_COLLECTION_NOT_EXIST', match: /Db or Table not exist/ }

export const scenarios = {
  async 'a missing collection: reads' (api) {
    await api.fails(() => api.query('no_such_collection').get(), missing)
    await api.fails(() => api.query('no_such_collection', { where: { a: 1 } }).count(), missing)
    await api.fails(() => api.doc('no_such_collection', 'x').get(), missing)
  },

  async 'a missing collection: writes' (api) {
    const wrapped = data => api.family === 'wx' ? { data } : data
    await api.fails(() => api.db.collection('no_such_collection').add(wrapped({ a: 1 })), missing)
    await api.fails(() => api.doc('no_such_collection', 'x').update(wrapped({ a: 1 })), missing)
    await api.fails(() => api.doc('no_such_collection', 'x').set(wrapped({ a: 1 })), missing)
    await api.fails(() => api.doc('no_such_collection', 'x').remove(), missing)
  },

  async 'a missing collection: aggregation' (api) {
    await api.fails(() => api.db.collection('no_such_collection').aggregate().match({ a: 1 }).end(), missing, 'aggregate')
  },

  async 'creating a collection twice' (api) {
    const name = await api.collection()
    await api.fails(() => api.db.createCollection(name), { code: 'DATABASE_COLLECTION_ALREADY_EXIST', match: /Table exist/ }, 'createCollection')
  },

  async 'the same id twice' (api) {
    const name = await api.collection([{ _id: 'one' }])
    await api.fails(() => api.db.collection(name).add(api.family === 'wx' ? { data: { _id: 'one' } } : { _id: 'one' }),
      { code: 'DATABASE_REQUEST_FAILED', match: /E11000 duplicate key error/ })
    assert.equal(await api.count(name, {}), 1)
  },

  async 'the same value twice under a unique index' (api) {
    const name = await api.collection([{ _id: 'a', mail: 'x@y' }])
    await api.index(name, ['mail'], { unique: true })
    const duplicate = { code: 'DATABASE_REQUEST_FAILED', match: /E11000 duplicate key error/ }
    const wrapped = data => api.family === 'wx' ? { data } : data
    await api.fails(() => api.db.collection(name).add(wrapped({ mail: 'x@y' })), duplicate)
    await api.add(name, { _id: 'b', mail: 'z@y' })
    await api.fails(() => api.doc(name, 'b').update(wrapped({ mail: 'x@y' })), duplicate)
    assert.equal((await api.get(name, 'b')).mail, 'z@y')
  },

  async 'an unknown operator' (api, { absent }) {
    if (api.generation === 1) absent('the SDK sends unknown operators as field names')
    const name = await api.collection([{ a: 1 }])
    await api.fails(() => api.query(name, { where: { a: { $wafer: 1 } } }).get(), { code: 'DATABASE_INVALID_OPERRATOR', match: /\$wafer/ })
  },

  async 'an unknown stage' (api, { absent }) {
    if (api.family !== 'node') absent('only raw mode can send one')
    const name = await api.collection([{ a: 1 }])
    await api.fails(() => api.db.collection(name).options({ raw: true }).aggregate([{ $wafer: {} }]).end(),
      { code: 'DATABASE_INVALID_OPERRATOR', match: /\$wafer/ })
  },

  async 'a command that does not fit the value' (api) {
    const name = await api.collection([{ _id: 'a', text: 'x', list: [1], n: 1 }])
    const wrapped = data => api.family === 'wx' ? { data } : data
    const update = change => api.doc(name, 'a').update(wrapped(change))
    const failed = match => ({ code: 'DATABASE_REQUEST_FAILED', match })
    await api.fails(() => update({ text: api._.inc(1) }), failed(/text/))
    await api.fails(() => update({ n: api._.push([1]) }), failed(/array/))
    await api.fails(() => update({ 'text.deep': 1 }), failed(/text/))
    assert.deepEqual(await api.get(name, 'a'), { _id: 'a', text: 'x', list: [1], n: 1 }, 'nothing was changed')
  },

  async 'one bad document refuses the whole list' (api, { absent }) {
    if (api.generation === 1) absent('the SDK takes one document at a time')
    const name = await api.collection([{ _id: 'taken' }])
    const wrapped = data => api.family === 'wx' ? { data } : data
    await api.fails(() => api.db.collection(name).add(wrapped([{ _id: 'new' }, { _id: 'taken' }])), { code: 'DATABASE_REQUEST_FAILED', match: /E11000/ })
  },

  async 'a document over the limit' (api) {
    const name = await api.collection()
    const wrapped = data => api.family === 'wx' ? { data } : data
    const text = 'x'.repeat(17 * 1024 * 1024)
    let error
    try { api.checked(await api.db.collection(name).add(wrapped({ text }))) } catch (caught) { error = caught }
    assert.ok(error, 'it was taken')
    assert.equal(await api.count(name, {}), 0)
  },

  async 'after an error the next call works' (api) {
    const name = await api.collection([{ _id: 'a' }])
    for (let round = 0; round < 5; round += 1) {
      await api.fails(() => api.query('no_such_collection').get(), missing)
      assert.equal(await api.count(name, {}), 1)
    }
  }
}
