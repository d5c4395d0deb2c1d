// One user of a page: signs in anonymously with a client SDK, then does what it is told: `user.mjs SDK '[[CALL, …], …]'`.
// Prints one JSON line: its id, and the outcome of each call.
import { openClient } from './browser.mjs'

const [name, told] = process.argv.slice(2)
const { app, db } = await openClient(name, 'web', { env: process.env.WAFERDB_TEST_ENV, token: '' })
const auth = app.auth({ persistence: 'local' })
await (auth.signInAnonymously?.() ?? auth.anonymousAuthProvider().signIn())

const calls = {
  add: (collection, data) => db.collection(collection).add(data),
  list: (collection, where) => db.collection(collection).where(where).get(),
  change: (collection, where, data) => db.collection(collection).where(where).update(data),
  remove: (collection, where) => db.collection(collection).where(where).remove()
}
const outcomes = []
for (const [call, ...words] of JSON.parse(told)) outcomes.push(await outcome(() => calls[call](...words)))
console.log(JSON.stringify(outcomes))
process.exit()

/** What an SDK says, whether it throws or returns its errors. */
async function outcome (call) {
  try {
    const { code, message, data, updated, deleted, id } = await call()
    return { code: code || undefined, message, data, updated, deleted, id }
  } catch (error) {
    return { code: error.code ?? String(error.message ?? error) }
  }
}
