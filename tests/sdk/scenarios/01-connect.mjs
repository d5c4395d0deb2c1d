// Reaching the server: both ways of pointing an SDK at it, and what wrong credentials are told.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { wxNumber } from '../sdks.mjs'

/** The outcome of one call in a process with other credentials. */
async function probe (api, way, over, collection) {
  const script = fileURLToPath(new URL('../probe.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script, api.name, way, JSON.stringify(over), collection])
  return JSON.parse(stdout.trim().split('\n').at(-1))
}

/** The stand-in of `make oracle` checks no signature. */
function needsSignatures (absent) { if (process.env.WAFERDB_STAND_IN) absent('the stand-in checks no signatures') }

function refused (api, outcome, code) {
  assert.equal(outcome.total, undefined, `answered ${JSON.stringify(outcome)}`)
  if (api.family === 'wx') assert.equal(outcome.errCode, wxNumber(code), JSON.stringify(outcome))
  else assert.equal(outcome.code, code, JSON.stringify(outcome))
}

export const scenarios = {
  async 'the first call of a program' (api, { way }) {
    const name = await api.collection([{ a: 1 }, { a: 2 }])
    assert.deepEqual(await probe(api, way, {}, name), { total: 2 })
  },

  async 'a wrong secret key is refused' (api, { way, absent }) {
    needsSignatures(absent)
    const name = await api.collection()
    refused(api, await probe(api, way, { key: 'notTheSecretKey' }, name), 'SIGN_PARAM_INVALID')
  },

  async 'an unknown secret id is refused like a wrong key' (api, { way, absent }) {
    needsSignatures(absent)
    const name = await api.collection()
    const wrongKey = await probe(api, way, { key: 'notTheSecretKey' }, name)
    const unknownId = await probe(api, way, { id: 'AKIDnobody' }, name)
    refused(api, unknownId, 'SIGN_PARAM_INVALID')
    assert.equal(unknownId.code, wrongKey.code)
  },

  async 'another environment is refused' (api, { way, absent }) {
    needsSignatures(absent)
    const name = await api.collection()
    refused(api, await probe(api, way, { env: 'nobodys-env-9z' }, name), 'INVALIID_ENV')
  },

  async 'sixteen calls at once' (api) {
    const name = await api.collection()
    await Promise.all(Array.from({ length: 16 }, (_, i) => api.add(name, { _id: `k${i}`, i })))
    const seen = await Promise.all(Array.from({ length: 16 }, (_, i) => api.get(name, `k${i}`)))
    assert.deepEqual(seen.map(document => document.i), Array.from({ length: 16 }, (_, i) => i))
  }
}
