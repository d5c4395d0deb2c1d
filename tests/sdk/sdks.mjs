// The SDKs under test: each published package at a pinned version, and what is known about it. Nothing here knows a scenario.

/**
 * family      how results and errors look: `wx` (wx-server-sdk), `node` (@cloudbase/node-sdk), `admin` (tcb-admin-node)
 * generation  1: plain JSON on the wire; 2: Extended JSON strings
 * ways        how it can be pointed at a server without changing it: `url` (`init({ serviceUrl })`) or `context` (the variable
 *             TCB_CONTEXT_CNFG, no change in the program at all)
 */
export const SDKS = {
  'node-sdk-3': { family: 'node', generation: 2, ways: ['url', 'context'] },
  'node-sdk-2': { family: 'node', generation: 2, ways: ['url', 'context'] },
  'wx-4': { family: 'wx', generation: 2, ways: ['url', 'context'] },
  'wx-3': { family: 'wx', generation: 2, ways: ['url', 'context'] },
  'wx-2': { family: 'wx', generation: 2, ways: ['url', 'context'] },
  'wx-1': { family: 'wx', generation: 1, ways: ['url'] },
  'tcb-admin-1': { family: 'admin', generation: 1, ways: ['url'] }
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
