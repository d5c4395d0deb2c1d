// Documents go in and come out: ids, every type of value, replacing, changing, removing, counting.
import assert from 'node:assert/strict'
import { plain } from '../adapter.mjs'

export const scenarios = {
  async 'add gives a 32-digit id, or keeps the given one' (api) {
    const name = await api.collection()
    assert.match(await api.add(name, { a: 1 }), /^[0-9a-f]{32}$/)
    assert.equal(await api.add(name, { _id: 'mine', a: 2 }), 'mine')
    assert.deepEqual(await api.get(name, 'mine'), { _id: 'mine', a: 2 })
  },

  async 'ids may be numbers' (api) {
    const name = await api.collection()
    await api.add(name, { _id: 123, a: 1 })
    assert.deepEqual(await api.get(name, 123), { _id: 123, a: 1 })
    assert.equal(await api.get(name, '123'), null)
  },

  async 'numbers keep their value' (api) {
    const name = await api.collection()
    const numbers = { zero: 0, one: 1, minus: -7, half: 1.5, tiny: 1e-7, int: 2147483647, long: 2147483648, exact: 9007199254740991, huge: 1e20 }
    await api.add(name, { _id: 'n', ...numbers })
    assert.deepEqual(await api.get(name, 'n'), { _id: 'n', ...numbers })
  },

  async 'not a number and the infinities' (api, { absent }) {
    if (api.generation === 1) absent('plain JSON turns them into null')
    const name = await api.collection()
    await api.add(name, { _id: 'n', nan: NaN, plus: Infinity, minus: -Infinity })
    assert.deepEqual(await api.get(name, 'n'), { _id: 'n', nan: NaN, plus: Infinity, minus: -Infinity })
    assert.deepEqual(await api.ids(name, { where: { nan: NaN } }), ['n'])
  },

  async 'text in any language' (api) {
    const name = await api.collection()
    const text = { chinese: '数据库', emoji: '🧇🗄️', quotes: '"\\\n\t', empty: '', '中文键': 'value', space: ' two  spaces ' }
    await api.add(name, { _id: 't', ...text })
    assert.deepEqual(await api.get(name, 't'), { _id: 't', ...text })
    assert.equal(await api.count(name, { 中文键: 'value', chinese: '数据库' }), 1)
  },

  async 'null, booleans, arrays and nesting' (api) {
    const name = await api.collection()
    const value = { nothing: null, yes: true, no: false, list: [1, 'a', null, [2, [3]], { b: [] }], deep: { a: { b: { c: { d: [{ e: 1 }] } } } }, none: [] }
    await api.add(name, { _id: 'v', ...value })
    assert.deepEqual(await api.get(name, 'v'), { _id: 'v', ...value })
  },

  async 'members keep their order' (api) {
    const name = await api.collection()
    await api.add(name, { _id: 'o', z: 1, a: { y: 1, b: 2, x: 3 }, m: 2 })
    const found = await api.get(name, 'o')
    assert.deepEqual(Object.keys(found).filter(key => key !== '_id'), ['z', 'a', 'm'])
    assert.deepEqual(Object.keys(found.a), ['y', 'b', 'x'])
  },

  async 'dates are exact to the millisecond' (api) {
    const name = await api.collection()
    const at = new Date(1700000000123)
    await api.add(name, { _id: 'd', at, old: new Date(-1), list: [at], inner: { at } })
    const found = await api.get(name, 'd')
    assert.deepEqual(found, { _id: 'd', at, old: new Date(-1), list: [at], inner: { at } })
    assert.equal(await api.count(name, { at }), 1)
    assert.equal(await api.count(name, { at: api._.gte(new Date(1700000000123)) }), 1)
    assert.equal(await api.count(name, { at: api._.gt(new Date(1700000000123)) }), 0)
  },

  async 'the server\'s date, with and without offset' (api) {
    const name = await api.collection()
    const hour = 3_600_000
    const before = Date.now()
    await api.add(name, { _id: 's', now: api.db.serverDate(), later: api.db.serverDate({ offset: hour }) })
    const after = Date.now()
    const { now, later } = await api.get(name, 's')
    assert.ok(now instanceof Date && before - 1000 <= now.getTime() && now.getTime() <= after + 1000, `${now}`)
    assert.equal(later.getTime() - now.getTime(), hour, 'one instant for the whole request')
    await api.updateDoc(name, 's', { changed: api.db.serverDate() })
    assert.ok((await api.get(name, 's')).changed instanceof Date)
    assert.equal(await api.count(name, { later: api._.gt(api.db.serverDate({ offset: hour / 2 })) }), 1)
    assert.equal(await api.count(name, { later: api._.lt(api.db.serverDate()) }), 0)
  },

  async 'places and shapes' (api) {
    const name = await api.collection()
    const { Geo } = api.db
    const shapes = {
      point: new Geo.Point(113.323809, 23.097732),
      line: new Geo.LineString([new Geo.Point(0, 0), new Geo.Point(1, 1)]),
      area: new Geo.Polygon([new Geo.LineString([new Geo.Point(0, 0), new Geo.Point(3, 2), new Geo.Point(2, 3), new Geo.Point(0, 0)])]),
      points: new Geo.MultiPoint([new Geo.Point(0, 0), new Geo.Point(1, 1)])
    }
    await api.add(name, { _id: 'g', ...shapes })
    const found = await api.query(name, { where: { _id: 'g' } }).get()
    assert.equal(found.data[0].point.constructor, shapes.point.constructor, 'the SDK gives its own object back')
    assert.deepEqual(plain(found.data[0]), { _id: 'g', ...plain(shapes) })
  },

  async 'regular expressions match text' (api) {
    const name = await api.collection([{ _id: 'a', t: 'Wafer' }, { _id: 'b', t: 'wafer cake' }, { _id: 'c', t: 'cake' }, { _id: 'd', t: 5 }])
    const sort = [['_id', 'asc']]
    assert.deepEqual(await api.ids(name, { where: { t: /^wafer/ }, sort }), ['b'])
    assert.deepEqual(await api.ids(name, { where: { t: /^wafer/i }, sort }), ['a', 'b'])
    assert.deepEqual(await api.ids(name, { where: { t: api.db.RegExp({ regexp: 'cake$', options: 'i' }) }, sort }), ['b', 'c'])
    assert.deepEqual(await api.ids(name, { where: { t: /ca.e/gi }, sort }), ['b', 'c'], 'the flag g means nothing to a server')
  },

  async 'a list is added in one call' (api, { absent }) {
    if (api.generation === 1) absent('the SDK takes one document at a time')
    const name = await api.collection()
    const ids = await api.addMany(name, [{ a: 1 }, { _id: 'given', a: 2 }, { a: 3 }])
    assert.equal(ids.length, 3)
    assert.equal(ids[1], 'given')
    assert.equal(new Set(ids).size, 3)
    assert.deepEqual((await api.find(name, { sort: [['a', 'asc']] })).map(document => document._id), ids)
  },

  async 'a thousand documents in one call' (api, { absent }) {
    if (api.generation === 1) absent('the SDK takes one document at a time')
    const name = await api.collection()
    const ids = await api.addMany(name, Array.from({ length: 1000 }, (_, n) => ({ n })))
    assert.equal(ids.length, 1000)
    assert.equal(await api.count(name, {}), 1000)
  },

  async 'a missing document is null, not an error' (api) {
    const name = await api.collection()
    assert.equal(await api.get(name, 'nobody'), null)
  },

  async 'set replaces, or creates' (api) {
    const name = await api.collection([{ _id: 'x', a: 1, b: 2 }])
    assert.deepEqual(await api.set(name, 'x', { c: 3 }), { updated: 1, created: 0 })
    assert.deepEqual(await api.get(name, 'x'), { _id: 'x', c: 3 })
    assert.deepEqual(await api.set(name, 'new', { d: 4 }), { updated: 0, created: 1 })
    assert.deepEqual(await api.get(name, 'new'), { _id: 'new', d: 4 })
  },

  async 'update of one and of many' (api) {
    const name = await api.collection([{ _id: 'a', n: 1 }, { _id: 'b', n: 1 }, { _id: 'c', n: 2 }])
    assert.equal(await api.updateDoc(name, 'a', { x: 1 }), 1)
    assert.equal(await api.updateDoc(name, 'nobody', { x: 1 }), 0)
    assert.equal(await api.update(name, { n: 1 }, { y: true }), 2)
    assert.equal(await api.update(name, { n: 9 }, { y: true }), 0)
    assert.deepEqual(await api.find(name, { sort: [['_id', 'asc']] }), [
      { _id: 'a', n: 1, x: 1, y: true }, { _id: 'b', n: 1, y: true }, { _id: 'c', n: 2 }
    ])
  },

  async 'an update that changes nothing counts nothing' (api) {
    const name = await api.collection([{ _id: 'a', n: 1 }])
    assert.equal(await api.updateDoc(name, 'a', { n: 1 }), 0)
    assert.equal(await api.update(name, {}, { n: 1 }), 0)
  },

  async 'remove of one and of many' (api) {
    const name = await api.collection([{ _id: 'a', n: 1 }, { _id: 'b', n: 1 }, { _id: 'c', n: 2 }, { _id: 'd', n: 2 }])
    assert.equal(await api.removeDoc(name, 'a'), 1)
    assert.equal(await api.removeDoc(name, 'a'), 0)
    assert.equal(await api.remove(name, { n: 2 }), 2)
    assert.equal(await api.remove(name, { n: 9 }), 0)
    assert.deepEqual(await api.ids(name), ['b'])
  },

  async 'only the first, when the program says so' (api, { absent }) {
    if (api.generation === 1) absent('the SDK always asks for all')
    const name = await api.collection([{ n: 1 }, { n: 1 }, { n: 1 }])
    const query = api.query(name, { where: { n: 1 } })
    if (api.family === 'wx') {
      assert.equal((await query.update({ data: { m: 1 }, multi: false })).stats.updated, 1)
      assert.equal((await api.query(name, { where: { n: 1 } }).remove({ multi: false })).stats.removed, 1)
    } else {
      assert.equal((await query.options({ multiple: false }).update({ m: 1 })).updated, 1)
      assert.equal((await api.query(name, { where: { n: 1 } }).options({ multiple: false }).remove()).deleted, 1)
    }
    assert.equal(await api.count(name, {}), 2)
  },

  async 'count with and without a condition' (api) {
    const name = await api.collection([{ n: 1 }, { n: 2 }, { n: 3 }])
    assert.equal(await api.count(name), 3)
    assert.equal(await api.count(name, {}), 3)
    assert.equal(await api.count(name, { n: api._.gt(1) }), 2)
    assert.equal(await api.count(name, { n: 9 }), 0)
  },

  async 'update and return the new document' (api, { absent }) {
    if (api.family !== 'node') absent('only @cloudbase/node-sdk has updateAndReturn')
    const name = await api.collection([{ _id: 'a', n: 1 }])
    const found = await api.query(name, { where: { _id: 'a' } }).updateAndReturn({ n: api._.inc(5) })
    assert.equal(found.updated, 1)
    assert.deepEqual(found.doc, { _id: 'a', n: 6 })
    const missed = await api.query(name, { where: { _id: 'b' } }).updateAndReturn({ n: 1 })
    assert.deepEqual([missed.updated, missed.doc], [0, null])
  },

  async 'a large document' (api) {
    const name = await api.collection()
    const text = 'wafer '.repeat(100_000)
    await api.add(name, { _id: 'big', text, list: Array.from({ length: 5000 }, (_, i) => ({ i, even: i % 2 === 0 })) })
    const found = await api.get(name, 'big')
    assert.equal(found.text, text)
    assert.deepEqual(found.list[4999], { i: 4999, even: false })
  }
}
