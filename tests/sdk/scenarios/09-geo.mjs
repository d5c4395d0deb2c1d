// Places: near, within, intersects, with a geographic index.
import assert from 'node:assert/strict'

const places = { tower: [113.3245, 23.1065], market: [113.33, 23.11], park: [113.36, 23.13], shenzhen: [114.0579, 22.5431] }

async function city (api) {
  const name = await api.collection()
  for (const [_id, [longitude, latitude]] of Object.entries(places)) await api.add(name, { _id, at: new api.db.Geo.Point(longitude, latitude) })
  await api.index(name, ['at:2dsphere'])
  return name
}

export const scenarios = {
  async 'near comes nearest first' (api) {
    const name = await city(api)
    const geometry = new api.db.Geo.Point(113.3245, 23.1065)
    const near = options => api.ids(name, { where: { at: api._.geoNear({ geometry, ...options }) } })
    assert.deepEqual(await near({ minDistance: 0, maxDistance: 10_000 }), ['tower', 'market', 'park'])
    assert.deepEqual(await near({ minDistance: 100, maxDistance: 2_000 }), ['market'])
  },

  async 'within an area' (api) {
    const name = await city(api)
    const { Geo } = api.db
    const corner = (longitude, latitude) => new Geo.Point(longitude, latitude)
    const area = new Geo.Polygon([new Geo.LineString([corner(113.3, 23.1), corner(113.34, 23.1), corner(113.34, 23.12), corner(113.3, 23.12), corner(113.3, 23.1)])])
    const sort = [['_id', 'asc']]
    assert.deepEqual(await api.ids(name, { where: { at: api._.geoWithin({ geometry: area }) }, sort }), ['market', 'tower'])
    assert.equal(await api.count(name, { at: api._.geoWithin({ geometry: area }) }), 2)
  },

  async 'within a circle' (api, { absent }) {
    if (api.generation === 1) absent('the SDK knows areas only')
    const name = await city(api)
    const within = centre => api.ids(name, { where: { at: api._.geoWithin({ centerSphere: [centre, 2 / 6378.1] }) }, sort: [['_id', 'asc']] })
    assert.deepEqual(await within([113.3245, 23.1065]), ['market', 'tower'])
    assert.deepEqual(await within(new api.db.Geo.Point(113.3245, 23.1065)), ['market', 'tower'])
  },

  async 'shapes that touch' (api) {
    const name = await city(api)
    const { Geo } = api.db
    const line = new Geo.LineString([new Geo.Point(113.3245, 23.1065), new Geo.Point(113.33, 23.11)])
    assert.deepEqual(await api.ids(name, { where: { at: api._.geoIntersects({ geometry: line }) }, sort: [['_id', 'asc']] }), ['market', 'tower'])
  },

  async 'the geoNear stage measures the distance' (api) {
    const name = await city(api)
    const found = await api.aggregate(name, pipe => pipe
      .geoNear({ distanceField: 'away', spherical: true, near: new api.db.Geo.Point(113.3245, 23.1065), maxDistance: 10_000 })
      .project({ away: 1 }))
    assert.deepEqual(found.map(document => document._id), ['tower', 'market', 'park'])
    assert.ok(found[0].away < 0.001 && Math.abs(found[1].away - 684) < 10, JSON.stringify(found))
  }
}
