// Runs one cloud function, one call at a time: frames come and go over descriptor 0, a socket to the server.
//
// A frame is a length (4 bytes, little endian), a kind (1 byte) and JSON text. It knows the function's folder and what
// each call brings; it must not know the server's address, keys or other functions beyond the variables of a call.
'use strict'
const net = require('node:net')
const path = require('node:path')
const { pathToFileURL } = require('node:url')

const FAILED = 0
const DONE = 1
const READY = 2
const PRINTED = 3

const folder = process.env.WAFERDB_FUNCTION_FOLDER
const handler = process.env.WAFERDB_FUNCTION_HANDLER
const resultBytesMax = Number(process.env.WAFERDB_FUNCTION_RESULT_MAX)
for (const name of ['FOLDER', 'HANDLER', 'RESULT_MAX']) delete process.env[`WAFERDB_FUNCTION_${name}`]

const socket = new net.Socket({ fd: 0, readable: true, writable: true })
let received = Buffer.alloc(0)
let main
let busy = false

function send (kind, value, then) {
  const text = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  const head = Buffer.alloc(5)
  head.writeUInt32LE(text.length + 1, 0)
  head.writeUInt8(kind, 4)
  socket.write(Buffer.concat([head, text]), then)
}

function told (fault) {
  const error = fault instanceof Error ? fault : new Error(typeof fault === 'string' ? fault : JSON.stringify(fault) ?? String(fault))
  return { message: String(error.message).slice(0, 8192), stack: String(error.stack ?? '').slice(0, 16384) }
}

function fail (fault) {
  if (!busy) return
  busy = false
  send(FAILED, told(fault))
}

/** What the function prints belongs to the call under way, so it travels between the frames of calls. */
function print (chunk, encoding, then) {
  const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
  send(PRINTED, JSON.stringify(text.slice(0, 65536)))
  const done = typeof encoding === 'function' ? encoding : then
  if (done) process.nextTick(done)
  return true
}
process.stdout.write = print
process.stderr.write = print

/** A fault that nobody caught leaves the process in an unknown state: the call fails, and the process ends. */
function uncaught (fault) {
  busy = false
  send(FAILED, told(fault), () => process.exit(1))
}
process.on('uncaughtException', uncaught)
process.on('unhandledRejection', uncaught)

async function load () {
  process.chdir(folder)
  const at = handler.lastIndexOf('.')
  const file = path.join(folder, handler.slice(0, at))
  let module
  try {
    module = require(file)
  } catch (fault) {
    if (fault.code !== 'ERR_REQUIRE_ESM') throw fault
    module = await import(pathToFileURL(require.resolve(file)))
  }
  main = module[handler.slice(at + 1)] ?? module.default?.[handler.slice(at + 1)]
  if (typeof main !== 'function') throw new Error(`the function's file exports no ${JSON.stringify(handler.slice(at + 1))}: expected exports.${handler.slice(at + 1)} = async (event, context) => …`)
}

/** Variables of the last call do not outlive it. */
let lent = []
function lend (variables) {
  for (const name of lent) delete process.env[name]
  lent = Object.keys(variables)
  Object.assign(process.env, variables)
}

function called (event, context) {
  if (main.length < 3) return main(event, context)
  return new Promise((resolve, reject) => {
    const returned = main(event, context, (fault, value) => fault ? reject(fault) : resolve(value))
    if (typeof returned?.then === 'function') returned.then(resolve, reject)
  })
}

async function carryOut (frame) {
  const { event, variables, context } = JSON.parse(frame)
  busy = true
  lend(variables)
  context.environment = JSON.stringify(variables)
  context.getRemainingTimeInMillis = () => Math.max(0, context.deadline_ms - Date.now())
  try {
    const text = JSON.stringify(await called(event, context)) ?? 'null'
    if (!busy) return
    if (Buffer.byteLength(text) > resultBytesMax) throw new Error(`the result has ${Buffer.byteLength(text)} bytes, at most ${resultBytesMax} are allowed`)
    busy = false
    send(DONE, text)
  } catch (fault) {
    fail(fault)
  }
}

socket.on('data', part => {
  received = received.length ? Buffer.concat([received, part]) : part
  while (received.length >= 4) {
    const end = 4 + received.readUInt32LE(0)
    if (received.length < end) return
    const frame = received.toString('utf8', 4, end)
    received = received.subarray(end)
    carryOut(frame)
  }
})
// The server is gone, or does not want this process any more.
for (const end of ['end', 'error', 'close']) socket.on(end, () => process.exit(0))

load().then(() => send(READY, 'null'), fault => send(FAILED, told(fault), () => process.exit(1)))
