// What runs on the page: a watch with one of the SDKs, unmodified, and everything that it tells.
import cloudbase from 'js-sdk-3'
import wxcloud from 'wxcloud-1'

window.told = { snapshots: [], errors: [] }

/** Begins the watch; a token stands for having signed in. */
window.begin = async (sdk, { url, env, token, room }) => {
  const db = sdk === 'js-sdk-3' ? ofJsSdk(url, env, token) : await ofWxCloud(url, env, token)
  window.watcher = db.collection('messages').where({ room }).watch({
    onChange: ({ docs, docChanges }) => {
      const changes = docChanges.map(({ dataType, queueType, docId }) => `${dataType}/${queueType} ${docId}`)
      window.told.snapshots.push({ docs, changes })
    },
    onError: error => window.told.errors.push(String(error?.message ?? error?.errMsg ?? error))
  })
}

function ofJsSdk (url, env, token) {
  const day = 86_400_000
  const credentials = { token_type: 'Bearer', access_token: token, refresh_token: 'none', expires_in: 86_400, expires_at: new Date(Date.now() + day).toISOString(), sub: 'somebody', scope: 'user', groups: [] }
  localStorage.setItem(`credentials_${env}`, JSON.stringify(credentials))
  const app = cloudbase.init({ env, endPointMode: 'CLOUD_API' })
  app.registerHost(new URL(url).host, 'http')
  app.auth({ persistence: 'local' })
  return app.database()
}

/** The SDK signs nobody in by itself: the token goes with each request. */
async function ofWxCloud (url, env, token) {
  const send = XMLHttpRequest.prototype.send
  XMLHttpRequest.prototype.send = function (body) {
    this.setRequestHeader('authorization', `Bearer ${token}`)
    return send.call(this, body)
  }
  const cloud = new (wxcloud.initCloud().Cloud)({ identityless: true, resourceAppid: 'wx1', resourceEnv: env, config: { customDomain: url } })
  await cloud.init()
  return cloud.database()
}
