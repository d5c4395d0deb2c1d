// One call with credentials of its own, in a process of its own: `probe.mjs SDK WAY OVERRIDES COLLECTION`. Prints what came of it.
// Most SDKs keep their settings per process, so this is the only clean way to try wrong ones.
import { open } from './adapter.mjs'

const [name, way, over, collection] = process.argv.slice(2)
const api = await open(name, way, JSON.parse(over))
const say = outcome => { console.log(JSON.stringify(outcome)); process.exit() }
process.on('unhandledRejection', error => say({ code: error.code, errCode: error.errCode, message: error.errMsg ?? error.message }))
try {
  say({ total: await api.count(collection, {}) })
} catch (error) {
  say({ code: error.code, errCode: error.errCode, message: error.errMsg ?? error.message })
}
