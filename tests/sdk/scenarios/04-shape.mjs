// What of the result comes back, and in which order: sort, skip, limit, field.
import assert from 'node:assert/strict'

export const scenarios = {
  async 'natural order is the order of adding' (api) {
    const name = await api.collection([{ _id: 'z' }, { _id: 'a' }, { _id: 'm' }])
    assert.deepEqual(await api.ids(name), ['z', 'a', 'm'])
  },

  async 'sort by several fields' (api) {
    const name = await api.collection([{ _id: '1', a: 2, b: 1 }, { _id: '2', a: 1, b: 1 }, { _id: '3', a: 2, b: 2 }, { _id: '4', a: 1, b: 3 }])
    assert.deepEqual(await api.ids(name, { sort: [['a', 'asc'], ['b', 'desc']] }), ['4', '2', '3', '1'])
    assert.deepEqual(await api.ids(name, { sort: [['b', 'desc'], ['a', 'asc']] }), ['4', '3', '2', '1'])
  },

  async 'sort across types' (api) {
    const values = [['str', 'a'], ['num', 1], ['null', null], ['bool', true], ['date', new Date(0)], ['arr', [5, 0.5]], ['obj', { x: 1 }], ['big', 1e10]]
    const name = await api.collection(values.map(([_id, v]) => ({ _id, v })))
    await api.add(name, { _id: 'none' })
    const up = await api.ids(name, { sort: [['v', 'asc'], ['_id', 'asc']] })
    assert.deepEqual(up, ['none', 'null', 'arr', 'num', 'big', 'str', 'obj', 'bool', 'date'])
    const down = await api.ids(name, { sort: [['v', 'desc'], ['_id', 'desc']] })
    assert.deepEqual(down, ['date', 'bool', 'obj', 'str', 'big', 'arr', 'num', 'null', 'none'])
  },

  async 'sort by a nested field' (api) {
    const name = await api.collection([{ _id: 'a', x: { y: 3 } }, { _id: 'b', x: { y: 1 } }, { _id: 'c', x: { y: 2 } }])
    assert.deepEqual(await api.ids(name, { sort: [['x.y', 'asc']] }), ['b', 'c', 'a'])
  },

  async 'skip and limit' (api) {
    const name = await api.collection(Array.from({ length: 12 }, (_, n) => ({ _id: String(n).padStart(2, '0'), n })))
    const sort = [['n', 'asc']]
    assert.deepEqual(await api.ids(name, { sort, skip: 3, limit: 2 }), ['03', '04'])
    assert.deepEqual(await api.ids(name, { sort, skip: 11 }), ['11'])
    assert.deepEqual(await api.ids(name, { sort, skip: 50 }), [])
    assert.deepEqual(await api.ids(name, { sort: [['n', 'desc']], limit: 1 }), ['11'])
  },

  async 'a hundred at once unless asked for more, a thousand at most' (api, { absent }) {
    if (api.generation === 1) absent('the SDK takes one document at a time')
    const name = await api.collection()
    await api.addMany(name, Array.from({ length: 600 }, (_, n) => ({ n })))
    await api.addMany(name, Array.from({ length: 600 }, (_, n) => ({ n: 600 + n })))
    assert.equal((await api.find(name)).length, 100)
    assert.equal((await api.find(name, { limit: 250 })).length, 250)
    assert.equal((await api.find(name, { limit: 5000 })).length, 1000)
  },

  async 'only some fields' (api) {
    const name = await api.collection([{ _id: 'a', x: 1, y: 2, z: { p: 1, q: 2 }, list: [{ k: 1, l: 2 }, { k: 3 }] }])
    const only = async field => (await api.find(name, { field }))[0]
    assert.deepEqual(await only({ x: true }), { _id: 'a', x: 1 })
    assert.deepEqual(await only({ x: true, _id: false }), { x: 1 })
    assert.deepEqual(await only({ 'z.p': true }), { _id: 'a', z: { p: 1 } })
    assert.deepEqual(await only({ 'list.k': true }), { _id: 'a', list: [{ k: 1 }, { k: 3 }] })
    assert.deepEqual(await only({ list: false, z: false }), { _id: 'a', x: 1, y: 2 })
    assert.deepEqual(await only({ missing: true }), { _id: 'a' })
  },

  async 'a slice of an array, or its first matching element' (api, { absent }) {
    if (api.generation === 1) absent('the SDK sends 1 or 0 only')
    const { project } = api._
    const name = await api.collection([{ _id: 'a', list: [1, 2, 3, 4, 5], items: [{ n: 1, c: 'x' }, { n: 2, c: 'y' }, { n: 3, c: 'y' }] }])
    const list = async field => (await api.find(name, { field }))[0].list
    assert.deepEqual(await list({ list: project.slice(2) }), [1, 2])
    assert.deepEqual(await list({ list: project.slice(-2) }), [4, 5])
    assert.deepEqual(await list({ list: project.slice([1, 2]) }), [2, 3])
    assert.deepEqual((await api.find(name, { field: { items: project.elemMatch({ c: 'y' }) } }))[0], { _id: 'a', items: [{ n: 2, c: 'y' }] })
  },

  async 'fields of one document' (api) {
    const name = await api.collection([{ _id: 'a', x: 1, y: 2 }])
    const { data } = await api.doc(name, 'a').field({ y: true }).get()
    assert.deepEqual(Array.isArray(data) ? data[0] : data, { _id: 'a', y: 2 })
  }
}
