// Every query command, with the cases where MongoDB's meaning surprises: arrays, missing fields, null, types.
import assert from 'node:assert/strict'

/** Documents under one-letter ids; a check compares the ids found, in order. */
const people = [
  { _id: 'a', n: 1, s: 'apple', tags: ['red', 'sweet'], at: { city: 'Guangzhou', zip: 510000 } },
  { _id: 'b', n: 5, s: 'banana', tags: ['yellow'], at: { city: 'Shenzhen', zip: 518000 } },
  { _id: 'c', n: 9, s: 'Cherry', tags: [], at: { city: 'Guangzhou', zip: 511400 } },
  { _id: 'd', n: null, s: null, tags: 'red' },
  { _id: 'e', n: '5', list: [{ x: 1, y: 9 }, { x: 5, y: 2 }], marks: [1, 5, 9] }
]

async function matches (api, cases) {
  const name = await api.collection(people)
  for (const [where, wanted] of cases) {
    const found = await api.ids(name, { where, sort: [['_id', 'asc']] })
    assert.equal(found.join(''), wanted, `where ${JSON.stringify(where)}`)
  }
}

export const scenarios = {
  async 'eq, neq' (api) {
    const { _ } = api
    await matches(api, [
      [{ n: 5 }, 'b'], [{ n: _.eq(5) }, 'b'], [{ n: '5' }, 'e'], [{ n: _.neq(5) }, 'acde'], [{ missing: _.neq(1) }, 'abcde'],
      [{ s: 'apple', n: 1 }, 'a'], [{ _id: 'c' }, 'c'], [{}, 'abcde']
    ])
  },

  async 'null means null or missing' (api) {
    const { _ } = api
    await matches(api, [[{ n: null }, 'd'], [{ s: null }, 'de'], [{ s: _.eq(null) }, 'de'], [{ s: _.neq(null) }, 'abc'], [{ at: null }, 'de']])
  },

  async 'gt, gte, lt, lte stay within one type' (api) {
    const { _ } = api
    await matches(api, [
      [{ n: _.gt(1) }, 'bc'], [{ n: _.gte(1) }, 'abc'], [{ n: _.lt(9) }, 'ab'], [{ n: _.lte(9) }, 'abc'], [{ n: _.gt('1') }, 'e'],
      [{ n: _.gt(1).lt(9) }, 'b'], [{ n: _.gt(1).and(_.lt(9)) }, 'b'], [{ s: _.gte('b') }, 'b'], [{ s: _.lt('a') }, 'c']
    ])
  },

  async 'in, nin' (api) {
    const { _ } = api
    await matches(api, [
      [{ n: _.in([1, 9, 'x']) }, 'ac'], [{ n: _.in([]) }, ''], [{ n: _.in([null]) }, 'd'], [{ n: _.nin([1, 9]) }, 'bde'],
      [{ tags: _.in(['red', 'yellow']) }, 'abd'], [{ tags: _.nin(['red']) }, 'bce']
    ])
  },

  async 'and, or, nor, not' (api) {
    const { _ } = api
    await matches(api, [
      [_.and([{ n: _.gt(0) }, { s: /a/ }]), 'ab'], [_.or([{ n: 1 }, { s: 'banana' }]), 'ab'],
      [{ n: _.eq(1).or(_.eq(9)) }, 'ac'], [{ n: _.or(_.lt(2), _.gt(8)) }, 'ac'], [_.nor([{ n: 1 }, { s: null }]), 'bc'],
      [{ n: _.not(_.gt(1)) }, 'ade'], [{ n: _.nor(_.gt(5), _.lt(2)) }, 'bde'],
      [_.or(_.and([{ n: 1 }, { s: 'apple' }]), { n: 9 }), 'ac']
    ])
  },

  async 'exists' (api) {
    const { _ } = api
    await matches(api, [[{ s: _.exists(true) }, 'abcd'], [{ s: _.exists(false) }, 'e'], [{ 'at.city': _.exists(true) }, 'abc'], [{ 'list.0': _.exists(true) }, 'e']])
  },

  async 'mod' (api) {
    // The older SDKs keep only the first of two arguments; a list works with all.
    const mod = (divisor, rest) => api._.mod([divisor, rest])
    await matches(api, [[{ n: mod(4, 1) }, 'abc'], [{ n: mod(2, 0) }, ''], [{ marks: mod(5, 0) }, 'e']])
  },

  async 'a value is found inside an array' (api) {
    await matches(api, [[{ tags: 'red' }, 'ad'], [{ tags: ['yellow'] }, 'b'], [{ tags: [] }, 'c'], [{ 'tags.0': 'red' }, 'a'], [{ marks: 5 }, 'e'], [{ marks: [1, 5] }, '']])
  },

  async 'all, size, elemMatch' (api) {
    const { _ } = api
    await matches(api, [
      [{ tags: _.all(['sweet', 'red']) }, 'a'], [{ tags: _.all(['red']) }, 'ad'], [{ tags: _.size(1) }, 'b'], [{ tags: _.size(0) }, 'c'],
      [{ list: _.elemMatch({ x: 1, y: 9 }) }, 'e'], [{ list: _.elemMatch({ x: 1, y: 2 }) }, ''], [{ list: _.elemMatch({ x: _.gt(4) }) }, 'e'],
      [{ 'list.x': 1, 'list.y': 2 }, 'e']
    ])
  },

  async 'a range over an array may be met by two elements' (api) {
    const { _ } = api
    await matches(api, [[{ marks: _.gt(8).lt(2) }, 'e'], [{ marks: _.gt(9) }, ''], [{ marks: _.gt(5) }, 'e']])
  },

  async 'elemMatch with a command' (api, { absent }) {
    const { _ } = api
    if (api.generation === 1) absent('the SDK sends its own object instead of the condition')
    await matches(api, [[{ marks: _.elemMatch(_.gte(9)) }, 'e'], [{ marks: _.elemMatch(_.lt(1)) }, '']])
  },

  async 'elemMatch with a chain of commands' (api, { absent }) {
    const { _ } = api
    if (api.generation === 1) absent('the SDK sends its own object instead of the condition')
    if (process.env.WAFERDB_STAND_IN) absent('the SDKs send their own object, which MongoDB does not know; WaferDB reads it')
    await matches(api, [[{ marks: _.elemMatch(_.gt(5).lt(9)) }, ''], [{ marks: _.elemMatch(_.gt(4).lt(9)) }, 'e']])
  },

  async 'nested objects are paths, eq compares whole' (api) {
    const { _ } = api
    await matches(api, [
      [{ at: { city: 'Guangzhou' } }, 'ac'], [{ at: { city: 'Guangzhou', zip: 510000 } }, 'a'], [{ 'at.zip': _.gt(511000) }, 'bc'],
      [{ at: _.eq({ city: 'Guangzhou', zip: 510000 }) }, 'a'], [{ at: _.eq({ zip: 510000, city: 'Guangzhou' }) }, ''], [{ at: _.eq({ city: 'Guangzhou' }) }, '']
    ])
  },

  async 'a comparison of two fields' (api) {
    const { _, $ } = api
    const name = await api.collection([{ _id: 'a', spent: 5, budget: 3 }, { _id: 'b', spent: 2, budget: 3 }, { _id: 'c', spent: 3, budget: 3 }])
    assert.deepEqual(await api.ids(name, { where: _.expr($.gt(['$spent', '$budget'])) }), ['a'])
    assert.equal(await api.count(name, _.expr($.eq(['$spent', '$budget']))), 1)
  },

  async 'many values in a list' (api) {
    const name = await api.collection()
    for (let n = 0; n < 20; n += 1) await api.add(name, { _id: `k${n}`, n })
    const wanted = Array.from({ length: 2000 }, (_, i) => i * 2)
    assert.equal(await api.count(name, { n: api._.in(wanted) }), 10)
  },

  async 'MongoDB\'s own language, untranslated' (api, { absent }) {
    if (api.family !== 'node') absent('only @cloudbase/node-sdk has options({ raw: true })')
    const name = await api.collection(people)
    const raw = where => api.db.collection(name).where(where).options({ raw: true })
    const ids = async where => (await raw(where).orderBy('_id', 'asc').get()).data.map(document => document._id).join('')
    assert.equal(await ids({ n: { $gte: 1, $lt: 9 } }), 'ab')
    assert.equal(await ids({ $or: [{ n: { $type: 'string' } }, { s: { $regex: '^C' } }] }), 'ce')
    assert.equal(await ids({ at: { $exists: true }, $nor: [{ n: 5 }] }), 'ac')
    assert.equal((await raw({ n: 5 }).update({ $inc: { n: 1 }, $set: { raw: true } })).updated, 1)
    assert.deepEqual(await api.ids(name, { where: { n: 6, raw: true } }), ['b'])
  }
}
