// The SDKs under test: each published package at a pinned version, and what is known about it. Nothing here knows a scenario.

/** What no client SDK can: it signs nothing, and reads files as a page does. */
const CLIENT = ['connect:', 'files:']
/** What js-sdk 3 spoils in its REST mode: transactions, replacing a document, queries that are longer than an address may be. */
const REST = ['transaction:', 'set replaces, or creates', 'many values in a list']
/** tcb-js-sdk rejects with a text where its own retrying of transactions looks for a code. */
const TCB_JS = ['hot document', 'hot accounts']
/** What the client's `wx.cloud` has not, or refuses by itself; functions it calls over a channel of WeChat's own. */
const SCRIPT = ['functions:', 'transaction:', 'creating a collection twice', 'a large document', 'a document over the limit', 'query: mod']

/**
 * family      how results and errors look: `wx` (wx-server-sdk), `node` (@cloudbase/node-sdk), `admin` (tcb-admin-node)
 * generation  1: plain JSON on the wire; 2: Extended JSON strings
 * ways        how it can be pointed at a server without changing it: `url` (`init({ serviceUrl })`) or `context` (the variable
 *             TCB_CONTEXT_CNFG, no change in the program at all); client SDKs: `web` (actions), `rest`, `script`
 *             (wx.cloud on a page), `program` (wx.cloud in a mini program, through our adapter)
 * lacks       parts of the names of scenarios that it cannot run, by way
 */
export const SDKS = {
  'node-sdk-3': { family: 'node', generation: 2, ways: ['url', 'context'] },
  'node-sdk-2': { family: 'node', generation: 2, ways: ['url', 'context'] },
  'wx-4': { family: 'wx', generation: 2, ways: ['url', 'context'] },
  'wx-3': { family: 'wx', generation: 2, ways: ['url', 'context'] },
  'wx-2': { family: 'wx', generation: 2, ways: ['url', 'context'] },
  'wx-1': { family: 'wx', generation: 1, ways: ['url'] },
  'tcb-admin-1': { family: 'admin', generation: 1, ways: ['url'] },
  'js-sdk-3': { family: 'web', client: true, generation: 1, ways: ['web', 'rest'], lacks: { web: CLIENT, rest: [...CLIENT, ...REST] } },
  'js-sdk-2': { family: 'web', client: true, generation: 1, ways: ['web'], lacks: { web: CLIENT } },
  'js-sdk-1': { family: 'web', client: true, generation: 1, ways: ['web'], lacks: { web: CLIENT } },
  'tcb-js-1': { family: 'web', client: true, generation: 1, ways: ['web'], lacks: { web: [...CLIENT, ...TCB_JS] } },
  'wxcloud-1': { family: 'wx', client: true, generation: 1, ways: ['script', 'program'], lacks: { script: [...CLIENT, ...SCRIPT], program: [...CLIENT, ...SCRIPT] } }
}

/** Errors as programs test for them: the string code of the wire, and the number that wx-server-sdk makes of it. */
export const CODES = {
  SYS_ERR: -501001,
  INVALIID_ENV: -501005,
  INVALID_PARAM: -501007,
  DATABASE_REQUEST_FAILED: -502001,
  DATABASE_INVALID_OPERRATOR: -502002,
  DATABASE_PERMISSION_DENIED: -502003,
  DATABASE_COLLECTION_NOT_EXIST: -502005
}

/** The number that a wx program sees: every code that its table does not know becomes "system error". */
export const wxNumber = code => CODES[code] ?? CODES.SYS_ERR
