// A mini program as far as our adapter needs it: what WeChat's base library offers an app, on top of Node.
import { createRequire } from 'node:module'

const load = createRequire(import.meta.url)

/** Connects the adapter for mini programs, with a token instead of `wx.login`. */
export async function openProgram (name, { env, token }) {
  Object.assign(globalThis, { wx: baseLibrary(), __wxConfig: { platform: 'devtools' } })
  const connect = load('../../sdk/miniprogram/waferdb.js')
  const signIn = async () => ({ access_token: token, refresh_token: '', expires_in: 7200 })
  const app = await connect({ sdk: load(name), url: process.env.WAFERDB_TEST_URL, env, signIn })
  return { app, db: app.database() }
}

function baseLibrary () {
  const kept = new Map()
  const told = (options, work) => { work.then(result => options.success?.(result), error => options.fail?.({ errMsg: error.message })) }
  return {
    getAccountInfoSync: () => ({ miniProgram: { appId: 'wx1' } }),
    getSystemInfoSync: () => ({ platform: 'devtools', SDKVersion: '3.8.0' }),
    getStorageSync: name => kept.get(name) ?? '',
    setStorageSync: (name, value) => { kept.set(name, value) },
    removeStorageSync: name => { kept.delete(name) },
    onNetworkStatusChange () {},
    request (options) { told(options, request(options)); return { abort () {} } },
    connectSocket: () => { throw new Error('these scenarios do not watch') }
  }
}

async function request ({ url, method, header, data, dataType = 'json' }) {
  const body = method === 'GET' ? undefined : typeof data === 'string' ? data : JSON.stringify(data)
  const answer = await fetch(url, { method, headers: { 'content-type': 'application/json', ...header }, body })
  const text = await answer.text()
  return { data: dataType === 'json' ? JSON.parse(text) : text, statusCode: answer.status, header: Object.fromEntries(answer.headers), errMsg: 'request:ok' }
}
