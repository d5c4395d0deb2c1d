// `wx.cloud` for a mini program whose backend is a WaferDB server. WeChat's own open SDK (`@wxcloud/cloud-sdk`, unmodified)
// makes the calls; this file gives it the mini program's request, socket and storage, signs the user in with `wx.login`, and
// does the two things that the SDK cannot do outside of a browser: uploading and downloading.
//
//   const connect = require('./waferdb')
//   const cloud = await connect({ sdk: require('@wxcloud/cloud-sdk'), url: 'https://db.example.com', env: 'shop' })
//   const db = cloud.database()                       // from here on the API of wx.cloud
//
// It must not know any collection, rule or page: what a program does with its database is the program's business.

const EARLY_S = 60

/**
 * Connects. `options`: `sdk` (the module), `url` (scheme and host of the server), `env` (name of the environment), `appid`
 * (default: the mini program's own), `signIn` (default: `wx.login`; any function that resolves to
 * `{ access_token, refresh_token, expires_in }` or, for guests, to null).
 */
module.exports = async function connect (options) {
  const { sdk, env } = options
  const url = options.url.replace(/\/+$/, '')
  const appid = options.appid || wx.getAccountInfoSync().miniProgram.appId
  const identity = new Identity(url, env, appid, options.signIn)
  await identity.ready()
  sdk.useAdapter({ adapters: adapters(sdk, identity), platform: 'waferdb' })
  const top = sdk.initCloud()
  const cloud = new top.Cloud({ identityless: true, resourceAppid: appid, resourceEnv: env, config: { customDomain: url } })
  await cloud.init()
  cloud.uploadFile = withCallbacks('cloud.uploadFile', given => upload(url, env, appid, identity, given))
  cloud.downloadFile = withCallbacks('cloud.downloadFile', given => download(cloud, given))
  cloud.signOut = () => identity.forget()
  return cloud
}

/** Who the user is: a token that is renewed before it ends, and kept between starts. */
class Identity {
  constructor (url, env, appid, signIn) {
    Object.assign(this, { url, env, appid, place: `waferdb_${env}` })
    this.signIn = signIn || (() => this.throughWeChat())
    this.kept = wx.getStorageSync(this.place) || null
  }

  /** Resolves to a token that lives for a while, or to '' for a guest. Callers at the same time share one renewal. */
  async ready () {
    if (this.kept && Date.now() < this.kept.until) return this.kept.token
    this.renewing = this.renewing || this.renew().finally(() => { this.renewing = null })
    return this.renewing
  }

  async renew () {
    const found = (this.kept && this.kept.refresh && await this.refresh()) || await this.signIn()
    this.kept = found && { token: found.access_token, refresh: found.refresh_token, until: Date.now() + (found.expires_in - EARLY_S) * 1000 }
    if (this.kept) wx.setStorageSync(this.place, this.kept)
    return this.kept ? this.kept.token : ''
  }

  async refresh () {
    const body = { client_id: this.env, grant_type: 'refresh_token', refresh_token: this.kept.refresh }
    try { return await this.post('/auth/v1/token', body) } catch (error) { return null }
  }

  async throughWeChat () {
    const { code } = await wxCall('login', {})
    const provider = { provider_id: this.appid, provider_code: code, provider_params: { provider_code_type: 'open_id', appid: this.appid } }
    const { provider_token: token } = await this.post('/auth/v1/provider/token', provider)
    return this.post('/auth/v1/signin/with/provider', { provider_token: token })
  }

  async post (path, data) {
    const url = `${this.url}${path}?client_id=${encodeURIComponent(this.env)}`
    const { data: answer } = await wxCall('request', { url, method: 'POST', data, header: { 'content-type': 'application/json' } })
    if (!answer || answer.error) throw failure('cloud.init', -501010, (answer && answer.error_description) || 'the sign-in was refused')
    return answer
  }

  forget () {
    this.kept = null
    wx.removeStorageSync(this.place)
  }
}

/** What the SDK needs of the place where it runs. */
function adapters (sdk, identity) {
  const storage = { getItem: name => wx.getStorageSync(name) || null, setItem: (name, value) => wx.setStorageSync(name, value) }
  const network = {
    getNetWorkType: () => 'unknown',
    onNetworkStatusChange: listener => wx.onNetworkStatusChange && wx.onNetworkStatusChange(listener)
  }
  const reqClass = sdk.adapterWrapper.requestAdapterWrapper(async (asked, answer) => {
    const failed = error => answer({ statusCode: 0, statusMessage: error.errMsg || error.message })
    try {
      const token = await identity.ready()
      const header = Object.assign({}, asked.headers, token ? { Authorization: `Bearer ${token}` } : {})
      // As text: what the server writes must reach the SDK's own reader unchanged.
      const found = await wxCall('request', { url: asked.url, method: asked.method, header, data: asked.body || '', dataType: 'text', responseType: asked.responseType })
      answer({ statusCode: found.statusCode, response: found.data, headers: found.header, statusMessage: found.errMsg })
    } catch (error) { failed(error) }
  })
  return { sessionStorage: storage, localStorage: storage, network, reqClass, webSocketClass: Socket }
}

/** A browser's WebSocket over `wx.connectSocket`. */
class Socket {
  constructor (url, protocols) {
    this.task = wx.connectSocket({ url, protocols: protocols || [] })
    for (const [on, name] of [['onOpen', 'onopen'], ['onClose', 'onclose'], ['onMessage', 'onmessage'], ['onError', 'onerror']]) {
      this.task[on](event => this[name] && this[name](event))
    }
  }

  get readyState () { return this.task.readyState }
  send (data) { this.task.send({ data }) }
  close (code, reason) { this.task.close({ code: code || 1000, reason: reason || '' }) }
}

async function upload (url, env, appid, identity, { cloudPath, filePath, header, onProgressUpdate }) {
  const api = 'cloud.uploadFile'
  const token = await identity.ready()
  const data = { appid, data: { qbase_api_name: 'tcbapi_cos_uploadfile', qbase_req: JSON.stringify({ path: cloudPath }), qbase_options: { env } } }
  const asked = { url: `${url}/__wx__/jsoperatewxdata`, method: 'POST', data, header: token ? { Authorization: `Bearer ${token}` } : {} }
  const { data: outer } = await wxCall('request', asked)
  const link = JSON.parse(outer.data)
  if (link.baseresponse.errcode) throw failure(api, link.baseresponse.errcode, link.baseresponse.errmsg)
  const formData = { key: cloudPath, signature: link.authorization, 'x-cos-security-token': link.token, 'x-cos-meta-fileid': link.cos_file_id }
  const sent = await wxCall('uploadFile', { url: link.url, filePath, name: 'file', formData, header }, task => {
    if (onProgressUpdate && task.onProgressUpdate) task.onProgressUpdate(onProgressUpdate)
  })
  if (sent.statusCode >= 300) throw failure(api, -403003, `the upload was answered with status ${sent.statusCode}`)
  return { fileID: link.file_id, statusCode: sent.statusCode }
}

async function download (cloud, { fileID }) {
  const { fileList: [file] } = await cloud.getTempFileURL({ fileList: [fileID] })
  if (file.status) throw failure('cloud.downloadFile', -503003, file.errMsg)
  const { tempFilePath, statusCode } = await wxCall('downloadFile', { url: file.tempFileURL })
  return { tempFilePath, statusCode }
}

/** A call of the base library as a promise. */
function wxCall (name, options, started) {
  return new Promise((resolve, reject) => {
    const task = wx[name](Object.assign({}, options, { success: resolve, fail: reject }))
    if (started && task) started(task)
  })
}

/** wx.cloud's way of answering: callbacks where there are any, a promise where there are none. */
function withCallbacks (api, work) {
  return given => {
    const { success, fail, complete } = given
    const promise = work(given).then(result => Object.assign(result, { errMsg: `${api}:ok` }), error => { throw named(api, error) })
    if (!success && !fail && !complete) return promise
    promise.then(result => { if (success) success(result); if (complete) complete(result) },
      error => { if (fail) fail(error); if (complete) complete(error) })
  }
}

function failure (api, errCode, text) {
  return Object.assign(new Error(text), { errCode, errMsg: `${api}:fail ${text}` })
}

function named (api, error) {
  if (error instanceof Error && error.errCode !== undefined) return error
  return failure(api, -1, error.errMsg || error.message || String(error))
}
