// Every update command, alone and together, on plain fields, nested fields and arrays.
import assert from 'node:assert/strict'

/** Applies each change to a fresh document `given` and compares the whole result. */
async function changes (api, cases) {
  const name = await api.collection()
  let number = 0
  for (const [given, change, wanted] of cases) {
    const _id = `case${number++}`
    await api.add(name, { _id, ...given })
    await api.updateDoc(name, _id, change)
    assert.deepEqual(await api.get(name, _id), { _id, ...wanted }, `update ${JSON.stringify(change)}`)
  }
}

export const scenarios = {
  async 'plain values, nested values, set' (api) {
    const { _ } = api
    await changes(api, [
      [{ a: 1 }, { b: 'x' }, { a: 1, b: 'x' }],
      [{ s: { c: 1, d: 2 } }, { s: { c: 3 } }, { s: { c: 3, d: 2 } }],
      [{ s: { c: 1, d: 2 } }, { s: _.set({ c: 3 }) }, { s: { c: 3 } }],
      [{}, { 's.c.d': 1 }, { s: { c: { d: 1 } } }],
      [{ a: [1, 2] }, { a: [3] }, { a: [3] }],
      [{ a: 1 }, { a: null }, { a: null }],
      [{ a: [1, 2, 3] }, { 'a.1': 9 }, { a: [1, 9, 3] }],
      [{ a: [1] }, { 'a.3': 9 }, { a: [1, null, null, 9] }]
    ])
  },

  async 'remove' (api) {
    const { _ } = api
    await changes(api, [
      [{ a: 1, b: 2 }, { a: _.remove() }, { b: 2 }], [{ s: { a: 1, b: 2 } }, { 's.a': _.remove() }, { s: { b: 2 } }],
      [{ a: 1 }, { nothing: _.remove(), a: 2 }, { a: 2 }]
    ])
  },

  async 'inc, mul' (api) {
    const { _ } = api
    await changes(api, [
      [{ n: 1 }, { n: _.inc(2) }, { n: 3 }], [{ n: 1 }, { n: _.inc(-2) }, { n: -1 }], [{}, { n: _.inc(4) }, { n: 4 }],
      [{ n: 1 }, { n: _.inc(0.5) }, { n: 1.5 }], [{ n: 2147483647 }, { n: _.inc(1) }, { n: 2147483648 }],
      [{ s: { n: 1 } }, { s: { n: _.inc(1) } }, { s: { n: 2 } }],
      [{ n: 3 }, { n: _.mul(2) }, { n: 6 }], [{}, { n: _.mul(2) }, { n: 0 }], [{ n: 4 }, { n: _.mul(0.25) }, { n: 1 }]
    ])
  },

  async 'min, max' (api, { absent }) {
    const { _ } = api
    if (typeof _.min !== 'function') absent('no such command')
    await changes(api, [
      [{ n: 5 }, { n: _.min(3) }, { n: 3 }], [{ n: 5 }, { n: _.min(9) }, { n: 5 }], [{}, { n: _.min(3) }, { n: 3 }],
      [{ n: 5 }, { n: _.max(9) }, { n: 9 }], [{ n: 5 }, { n: _.max(3) }, { n: 5 }], [{ n: 5 }, { n: _.max('a') }, { n: 'a' }]
    ])
  },

  async 'rename' (api) {
    const { _ } = api
    await changes(api, [
      [{ a: 1, b: 2 }, { a: _.rename('c') }, { b: 2, c: 1 }], [{ a: { x: 1 } }, { 'a.x': _.rename('y') }, { a: {}, y: 1 }],
      [{ b: 1 }, { a: _.rename('c') }, { b: 1 }]
    ])
  },

  async 'bit' (api) {
    const { _ } = api
    await changes(api, [[{ n: 13 }, { n: _.bit({ and: 10 }) }, { n: 8 }], [{ n: 5 }, { n: _.bit({ or: 2 }) }, { n: 7 }], [{ n: 5 }, { n: _.bit({ xor: 1 }) }, { n: 4 }]])
  },

  async 'push, unshift, pop, shift' (api) {
    const { _ } = api
    await changes(api, [
      [{ a: [1] }, { a: _.push(2) }, { a: [1, 2] }], [{ a: [1] }, { a: _.push([2, 3]) }, { a: [1, 2, 3] }], [{}, { a: _.push([1]) }, { a: [1] }],
      [{ a: [2] }, { a: _.unshift([0, 1]) }, { a: [0, 1, 2] }], [{ a: [1, 2, 3] }, { a: _.pop() }, { a: [1, 2] }],
      [{ a: [1, 2, 3] }, { a: _.shift() }, { a: [2, 3] }], [{ a: [] }, { a: _.pop() }, { a: [] }]
    ])
  },

  async 'push with position, sort and slice' (api) {
    const { _ } = api
    await changes(api, [
      [{ a: [1, 4] }, { a: _.push({ each: [2, 3], position: 1 }) }, { a: [1, 2, 3, 4] }],
      [{ a: [3, 1] }, { a: _.push({ each: [2], sort: 1 }) }, { a: [1, 2, 3] }],
      [{ a: [3, 1] }, { a: _.push({ each: [2], sort: -1, slice: 2 }) }, { a: [3, 2] }],
      [{ a: [{ n: 3 }] }, { a: _.push({ each: [{ n: 1 }, { n: 2 }], sort: { n: 1 } }) }, { a: [{ n: 1 }, { n: 2 }, { n: 3 }] }],
      [{ a: [1, 2] }, { a: _.push({ each: [3, 4], slice: -3 }) }, { a: [2, 3, 4] }]
    ])
  },

  async 'addToSet' (api) {
    const { _ } = api
    await changes(api, [
      [{ a: [1] }, { a: _.addToSet(2) }, { a: [1, 2] }], [{ a: [1] }, { a: _.addToSet(1) }, { a: [1] }], [{}, { a: _.addToSet('x') }, { a: ['x'] }],
      [{ a: [1, 2] }, { a: _.addToSet({ $each: [2, 3, 3] }) }, { a: [1, 2, 3] }], [{ a: [{ x: 1 }] }, { a: _.addToSet({ x: 1 }) }, { a: [{ x: 1 }] }]
    ])
  },

  async 'pull, pullAll' (api) {
    const { _ } = api
    await changes(api, [
      [{ a: [1, 3, 3, 2] }, { a: _.pull(3) }, { a: [1, 2] }], [{ a: [1, 5, 9] }, { a: _.pull(_.gte(5)) }, { a: [1] }],
      [{ a: [1, 2, 3] }, { a: _.pull(_.in([1, 2])) }, { a: [3] }], [{ a: [1, 2, 3, 2] }, { a: _.pullAll([2, 3]) }, { a: [1] }],
      [{ a: [{ x: 1, y: 1 }, { x: 2 }] }, { a: _.pull({ x: 1 }) }, { a: [{ x: 2 }] }]
    ])
  },

  async 'positions: the matched element, and all of them' (api) {
    const { _ } = api
    const name = await api.collection([{ _id: 'a', list: [1, 5, 9], items: [{ k: 'x', n: 1 }, { k: 'y', n: 1 }] }])
    assert.equal(await api.update(name, { _id: 'a', list: 5 }, { 'list.$': 6 }), 1)
    assert.equal(await api.update(name, { _id: 'a', 'items.k': 'y' }, { 'items.$.n': _.inc(10) }), 1)
    assert.equal(await api.update(name, { _id: 'a' }, { 'list.$[]': _.inc(1) }), 1)
    assert.deepEqual(await api.get(name, 'a'), { _id: 'a', list: [2, 7, 10], items: [{ k: 'x', n: 1 }, { k: 'y', n: 11 }] })
  },

  async 'many commands in one update' (api) {
    const { _ } = api
    const name = await api.collection([{ _id: 'a', n: 1, old: 'x', tags: ['p'], in: { k: 1, keep: true } }])
    await api.updateDoc(name, 'a', { n: _.inc(1), old: _.remove(), tags: _.push(['q']), in: { k: _.mul(5) }, fresh: 'y' })
    assert.deepEqual(await api.get(name, 'a'), { _id: 'a', n: 2, tags: ['p', 'q'], in: { k: 5, keep: true }, fresh: 'y' })
  },

  async 'fifty increments at once are fifty' (api) {
    const name = await api.collection([{ _id: 'a', n: 0 }])
    await Promise.all(Array.from({ length: 50 }, () => api.updateDoc(name, 'a', { n: api._.inc(1) })))
    assert.equal((await api.get(name, 'a')).n, 50)
  }
}
