// A chat page on a watched collection, and the few lines of server that a page without users needs: the page speaks the
// socket dialect itself, this program fetches its tickets and writes its messages with a key pair.
//
//   npm install @cloudbase/node-sdk
//   WAFERDB_URL=http://127.0.0.1:8787 WAFERDB_ENV=… SECRET_ID=… SECRET_KEY=… node chat.mjs
//   open http://127.0.0.1:8080 twice, write, restart the database, write again
import { createServer } from 'node:http'
import { readFile } from 'node:fs/promises'
import tcb from '@cloudbase/node-sdk'

const { WAFERDB_URL = 'http://127.0.0.1:8787', WAFERDB_ENV: env, SECRET_ID: secretId, SECRET_KEY: secretKey, PORT = 8080 } = process.env
process.env.TENCENTCLOUD = 'true' // saves the SDK a look-up of its cloud at every call
const db = tcb.init({ env, secretId, secretKey, serviceUrl: `${WAFERDB_URL}/admin` }).database()
await db.createCollection('messages').catch(() => {}) // it may be there already

/** A ticket opens a socket for this key pair: real applications give their users tickets of their own, by the js-sdk. */
async function ticket () {
  const answer = await fetch(`${WAFERDB_URL}/web?env=${env}`, {
    method: 'POST',
    body: JSON.stringify({ action: 'auth.wsWebSign', env, access_token: `${secretId}.${secretKey}` })
  })
  return (await answer.json()).data
}

async function read (request) {
  let text = ''
  for await (const piece of request) if ((text += piece).length > 10_000) throw new Error('too long')
  return JSON.parse(text)
}

const routes = {
  'GET /': async () => ({ type: 'text/html; charset=utf-8', body: await readFile(new URL('chat.html', import.meta.url)) }),
  'GET /ticket': async () => ({ type: 'application/json', body: JSON.stringify(await ticket()) }),
  'POST /messages': async request => {
    const { who, text } = await read(request)
    await db.collection('messages').add({ room: 'lobby', who: String(who), text: String(text), at: db.serverDate() })
    return { type: 'application/json', body: '{}' }
  }
}

createServer(async (request, response) => {
  const route = routes[`${request.method} ${request.url}`]
  if (!route) return response.writeHead(404).end()
  try {
    const { type, body } = await route(request)
    response.writeHead(200, { 'content-type': type }).end(body)
  } catch (error) {
    response.writeHead(503).end(String(error.message))
  }
}).listen(PORT, '127.0.0.1', () => console.log(`http://127.0.0.1:${PORT}`))
