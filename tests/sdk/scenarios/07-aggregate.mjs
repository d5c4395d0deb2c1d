// Aggregation through the builders of the SDKs.
import assert from 'node:assert/strict'

const sales = [
  { _id: 1, item: 'tea', qty: 2, price: 10, tags: ['hot', 'drink'], day: new Date('2024-03-01T08:00:00Z') },
  { _id: 2, item: 'tea', qty: 1, price: 12, tags: ['hot'], day: new Date('2024-03-02T08:00:00Z') },
  { _id: 3, item: 'cake', qty: 5, price: 4, tags: [], day: new Date('2024-04-01T08:00:00Z') },
  { _id: 4, item: 'pie', qty: 3, price: 6, day: new Date('2025-01-01T08:00:00Z') }
]

export const scenarios = {
  async 'match, group, sort' (api) {
    const { $ } = api
    const name = await api.collection(sales)
    const found = await api.aggregate(name, pipe => pipe
      .match({ qty: api._.gt(0) })
      .group({ _id: '$item', total: $.sum($.multiply(['$qty', '$price'])), count: $.sum(1), mean: $.avg('$price'), least: $.min('$qty'), most: $.max('$qty') })
      .sort({ _id: 1 }))
    assert.deepEqual(found, [
      { _id: 'cake', total: 20, count: 1, mean: 4, least: 5, most: 5 },
      { _id: 'pie', total: 18, count: 1, mean: 6, least: 3, most: 3 },
      { _id: 'tea', total: 32, count: 2, mean: 11, least: 1, most: 2 }
    ])
  },

  async 'project, addFields, replaceRoot' (api) {
    const { $ } = api
    const name = await api.collection(sales.slice(0, 2))
    const found = await api.aggregate(name, pipe => pipe
      .sort({ _id: 1 })
      .addFields({ value: $.multiply(['$qty', '$price']) })
      .project({ _id: 0, value: 1, label: $.concat([$.toUpper('$item'), '!']), first: $.arrayElemAt(['$tags', 0]), year: $.year('$day') }))
    assert.deepEqual(found, [{ value: 20, label: 'TEA!', first: 'hot', year: 2024 }, { value: 12, label: 'TEA!', first: 'hot', year: 2024 }])
    const replaced = await api.aggregate(name, pipe => pipe.sort({ _id: 1 }).limit(1).replaceRoot({ newRoot: { who: '$item' } }))
    assert.deepEqual(replaced, [{ who: 'tea' }])
  },

  async 'unwind, sortByCount, count' (api) {
    const name = await api.collection(sales)
    assert.deepEqual(await api.aggregate(name, pipe => pipe.unwind('$tags').sortByCount('$tags')), [{ _id: 'hot', count: 2 }, { _id: 'drink', count: 1 }])
    const kept = await api.aggregate(name, pipe => pipe.unwind({ path: '$tags', preserveNullAndEmptyArrays: true, includeArrayIndex: 'at' }).count('rows'))
    assert.deepEqual(kept, [{ rows: 5 }])
    assert.deepEqual(await api.aggregate(name, pipe => pipe.match({ item: 'none' }).count('rows')), [])
  },

  async 'skip, limit, sample' (api) {
    const name = await api.collection(sales)
    assert.deepEqual((await api.aggregate(name, pipe => pipe.sort({ price: -1 }).skip(1).limit(2))).map(document => document._id), [1, 4])
    assert.equal((await api.aggregate(name, pipe => pipe.sample({ size: 2 }))).length, 2)
  },

  async 'bucket, bucketAuto' (api) {
    const { $ } = api
    const name = await api.collection(sales)
    assert.deepEqual(await api.aggregate(name, pipe => pipe.bucket({ groupBy: '$price', boundaries: [0, 5, 11], default: 'dear', output: { n: $.sum(1) } })),
      [{ _id: 0, n: 1 }, { _id: 5, n: 2 }, { _id: 'dear', n: 1 }])
    assert.deepEqual(await api.aggregate(name, pipe => pipe.bucketAuto({ groupBy: '$price', buckets: 2 })),
      [{ _id: { min: 4, max: 10 }, count: 2 }, { _id: { min: 10, max: 12 }, count: 2 }])
  },

  async 'lookup by equal fields and by pipeline' (api) {
    const { $ } = api
    const orders = await api.collection([{ _id: 'o1', sku: 'a', qty: 2 }, { _id: 'o2', sku: 'b', qty: 9 }, { _id: 'o3', sku: 'z', qty: 1 }])
    const stock = await api.collection([{ _id: 's1', sku: 'a', left: 5 }, { _id: 's2', sku: 'b', left: 3 }])
    const joined = await api.aggregate(orders, pipe => pipe.sort({ _id: 1 })
      .lookup({ from: stock, localField: 'sku', foreignField: 'sku', as: 'stock' }).project({ stock: 1 }))
    assert.deepEqual(joined, [
      { _id: 'o1', stock: [{ _id: 's1', sku: 'a', left: 5 }] }, { _id: 'o2', stock: [{ _id: 's2', sku: 'b', left: 3 }] }, { _id: 'o3', stock: [] }
    ])
    if (typeof $.pipeline !== 'function') return
    const enough = await api.aggregate(orders, pipe => pipe.sort({ _id: 1 }).lookup({
      from: stock,
      let: { sku: '$sku', qty: '$qty' },
      pipeline: $.pipeline().match(api._.expr($.and([$.eq(['$sku', '$$sku']), $.gte(['$left', '$$qty'])]))).project({ _id: 0, left: 1 }).done(),
      as: 'stock'
    }).project({ stock: 1 }))
    assert.deepEqual(enough, [{ _id: 'o1', stock: [{ left: 5 }] }, { _id: 'o2', stock: [] }, { _id: 'o3', stock: [] }])
  },

  async 'dates are dates in the result' (api) {
    const { $ } = api
    const name = await api.collection(sales)
    const [found] = await api.aggregate(name, pipe => pipe.group({ _id: null, last: $.max('$day'), months: $.addToSet($.dateToString({ date: '$day', format: '%Y-%m' })) }))
    assert.deepEqual([new Date(found.last).getTime(), found.months.sort()], [Date.UTC(2025, 0, 1, 8), ['2024-03', '2024-04', '2025-01']])
  },

  async 'conditions, arrays and strings' (api) {
    const { $ } = api
    const name = await api.collection([{ _id: 1, n: 5, list: [3, 1, 2], text: 'a,b,c' }])
    const [found] = await api.aggregate(name, pipe => pipe.project({
      _id: 0,
      size: $.cond({ if: $.gte(['$n', 5]), then: 'big', else: 'small' }),
      none: $.ifNull(['$missing', 'default']),
      twice: $.map({ input: '$list', as: 'x', in: $.multiply(['$$x', 2]) }),
      odd: $.filter({ input: '$list', as: 'x', cond: $.eq([$.mod(['$$x', 2]), 1]) }),
      sum: $.reduce({ input: '$list', initialValue: 0, in: $.add(['$$value', '$$this']) }),
      parts: $.split(['$text', ',']),
      rest: $.slice(['$list', 1, 2]),
      holds: $.in([2, '$list'])
    }))
    assert.deepEqual(found, { size: 'big', none: 'default', twice: [6, 2, 4], odd: [3, 1], sum: 6, parts: ['a', 'b', 'c'], rest: [1, 2], holds: true })
  },

  async 'stages that only raw mode can send' (api, { absent }) {
    if (api.family !== 'node') absent('only @cloudbase/node-sdk has options({ raw: true })')
    const name = await api.collection(sales)
    const pipeline = [{ $facet: { dear: [{ $match: { price: { $gt: 5 } } }, { $count: 'n' }], items: [{ $group: { _id: '$item' } }, { $sort: { _id: 1 } }] } }]
    const { data } = await api.db.collection(name).options({ raw: true }).aggregate(pipeline).end()
    assert.deepEqual(data, [{ dear: [{ n: 3 }], items: [{ _id: 'cake' }, { _id: 'pie' }, { _id: 'tea' }] }])
  }
}
