// Two users who sign in with client SDKs: what the rules give each of them, and that they hold at once.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { commandLine } from '../server.mjs'

/** Signs a new user in, in a process of its own, and makes its calls. */
async function user (api, ...calls) {
  const script = fileURLToPath(new URL('../user.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script, api.name, JSON.stringify(calls)])
  return JSON.parse(stdout.trim().split('\n').at(-1))
}

function setRules (collection, policy) {
  return commandLine('rules', 'set', '--env', process.env.WAFERDB_TEST_ENV, '--collection', collection, policy)
}

function needsSignIn (api, way, absent) {
  if (process.env.WAFERDB_STAND_IN) absent('the stand-in has no users')
  if (!api.client || way !== 'web') absent('the SDK signs nobody in this way')
}

export const scenarios = {
  async 'users: what one adds another cannot touch' (api, { way, absent }) {
    needsSignIn(api, way, absent)
    const name = await api.collection()
    const [added, own] = await user(api, ['add', name, { n: 1 }], ['list', name, {}])
    assert.ok(added.id, JSON.stringify(added))
    assert.equal(own.data.length, 1)
    assert.ok(own.data[0]._openid, 'its creator stands in it')
    const [seen, changed, removed] = await user(api, ['list', name, {}], ['change', name, { n: 1 }, { n: 2 }], ['remove', name, {}])
    assert.deepEqual(seen.data, [])
    assert.equal(changed.updated ?? 0, 0)
    assert.equal(removed.deleted ?? 0, 0)
    assert.equal((await api.find(name, {}))[0].n, 1)
  },

  async 'users: rules hold from the next call on' (api, { way, absent }) {
    needsSignIn(api, way, absent)
    const name = await api.collection([{ n: 1 }])
    await setRules(name, 'ADMINONLY')
    const [denied] = await user(api, ['list', name, {}])
    assert.match(String(denied.code), /DATABASE_PERMISSION_DENIED/)
    await setRules(name, 'READONLY')
    const [seen] = await user(api, ['list', name, {}])
    assert.equal(seen.data.length, 1)
  }
}
