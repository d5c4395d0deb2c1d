// Forty transfers at once between three accounts, by wx-server-sdk, unmodified. Whatever happens, the sum stays.
//
//   npm install wx-server-sdk
//   WAFERDB_URL=http://127.0.0.1:8787 WAFERDB_ENV=… SECRET_ID=… SECRET_KEY=… node transfer.mjs
import cloud from 'wx-server-sdk'

const { WAFERDB_URL = 'http://127.0.0.1:8787', WAFERDB_ENV: env, SECRET_ID: secretId, SECRET_KEY: secretKey } = process.env
process.env.TENCENTCLOUD = 'true' // saves the SDK a look-up of its cloud at every call
cloud.init({ env, secretId, secretKey, serviceUrl: `${WAFERDB_URL}/admin` })
const db = cloud.database()
const NAMES = ['ann', 'bob', 'cat']

await db.createCollection('accounts').catch(() => {}) // it may be there already
for (const name of NAMES) await db.collection('accounts').doc(name).set({ data: { money: 100 } })

async function transfer (from, to, amount) {
  await db.runTransaction(async transaction => {
    const accounts = transaction.collection('accounts')
    const { data } = await accounts.doc(from).get()
    if (data.money < amount) await transaction.rollback(`${from} has only ${data.money}`)
    await accounts.doc(from).update({ data: { money: db.command.inc(-amount) } })
    await accounts.doc(to).update({ data: { money: db.command.inc(amount) } })
  })
}

const any = count => Math.floor(Math.random() * count)
const transfers = Array.from({ length: 40 }, () => {
  const from = any(3)
  return transfer(NAMES[from], NAMES[(from + 1 + any(2)) % 3], 1 + any(50))
})
for (const { reason } of await Promise.allSettled(transfers)) if (reason) console.log('not done:', reason.errMsg ?? reason)

const { data } = await db.collection('accounts').get()
console.log(data, 'together', data.reduce((sum, { money }) => sum + money, 0))
