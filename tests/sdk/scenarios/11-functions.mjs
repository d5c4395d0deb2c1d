// Cloud functions: deployed by the command line, called by each SDK, and what they find around themselves.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commandLine } from '../server.mjs'

const ENV = () => process.env.WAFERDB_TEST_ENV
const here = () => {
  if (process.env.WAFERDB_STAND_IN) throw Object.assign(new Error('the stand-in runs no functions'), { notHere: true })
}

/** Deploys a function of one file under a name of its own. */
async function deploy (code, { flags = [] } = {}) {
  const name = `f${process.pid}_${Math.random().toString(36).slice(2, 8)}`
  const folder = await mkdtemp(join(tmpdir(), 'wafer-fn-'))
  await writeFile(join(folder, 'index.js'), code)
  await commandLine('fn', 'deploy', '--env', ENV(), '--name', name, ...flags, folder)
  await rm(folder, { recursive: true })
  return name
}

const call = async (api, name, data) => {
  const ask = data === undefined ? { name } : { name, data }
  return api.checked(await (api.app.callFunction ? api.app.callFunction(ask) : api.app.functions.callFunction(ask))).result
}

export const scenarios = {
  async 'the result of a function arrives' (api) {
    here()
    const name = await deploy('exports.main = async (event, context) => ({ event, name: context.function_name })')
    const result = await call(api, name, { text: 'é"\n', list: [1, null, { deep: true }] })
    assert.deepEqual(result.event, { text: 'é"\n', list: [1, null, { deep: true }] })
    assert.equal(result.name, name)
    assert.deepEqual((await call(api, name)).event, {})
  },

  async 'what a function throws reaches the caller, and the next call works' (api) {
    here()
    const name = await deploy('exports.main = async ({ bad }) => { if (bad) throw new Error("boom 17"); return "fine" }')
    await assert.rejects(() => call(api, name, { bad: true }), error => /boom 17/.test(error.errMsg ?? error.message))
    assert.equal(await call(api, name), 'fine')
    await assert.rejects(() => call(api, 'nowhere'), error => /nowhere/.test(error.errMsg ?? error.message))
  },

  async 'a function that never ends is ended' (api) {
    here()
    const name = await deploy('exports.main = async ({ spin }) => { while (spin) {} ; return 1 }', { flags: ['--timeout', '1'] })
    await assert.rejects(() => call(api, name, { spin: true }), error => /timed out after 1 sec/.test(error.errMsg ?? error.message))
    assert.equal(await call(api, name), 1)
  }
}
