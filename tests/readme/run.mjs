// The programs of the READMEs, as printed, against a server at its first start: pasted lines and all. A block of JavaScript
// whose first line names a file is a program.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { ready, freePort } from '../sdk/server.mjs'

const READMES = ['README.md', 'README.zh-CN.md']
const PACKAGES = { 'wx-server-sdk': 'wx-4', '@cloudbase/node-sdk': 'node-sdk-3', 'tcb-admin-node': 'tcb-admin-1' }
const PRINTED_ADDRESS = 'http://127.0.0.1:8787'
const root = new URL('../../', import.meta.url)

const folder = await mkdtemp(join(tmpdir(), 'waferdb-readme-'))
const server = await firstStart()
try {
  await install()
  for (const readme of READMES) await runAll(readme)
} finally {
  server.process.kill('SIGTERM')
  await server.ended
  await rm(folder, { recursive: true, force: true })
}

/** A server as a newcomer starts it; answers with its address and what it printed. */
async function firstStart () {
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  const process_ = spawn(process.env.WAFERDB_BIN, ['serve', '--listen', `127.0.0.1:${port}`], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const said = []
  process_.stdout.on('data', text => said.push(text))
  const ended = new Promise(resolve => process_.on('exit', resolve))
  await Promise.race([ready(address), ended.then(code => { throw new Error(`the server ended with ${code}`) })])
  await untilPrinted(said, /Make a collection:/)
  return { process: process_, ended, address, printed: Buffer.concat(said).toString() }
}

async function untilPrinted (said, what) {
  for (let tries = 0; tries < 200 && !what.test(Buffer.concat(said).toString()); tries += 1) {
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function install () {
  for (const [name, alias] of Object.entries(PACKAGES)) {
    const link = join(folder, 'node_modules', name)
    await mkdir(join(link, '..'), { recursive: true })
    await symlink(fileURLToPath(new URL(`tests/sdk/node_modules/${alias}`, root)), link)
  }
}

async function runAll (readme) {
  const text = await readFile(new URL(readme, root), 'utf8')
  const programs = [...text.matchAll(/```js\n\/\/ (\w+\.js)\n([^]*?)```/g)]
  assert.ok(programs.length > 0, `${readme} shows a program`)
  for (const [, name, program] of programs) console.log(`${readme}: ${name}: ${await run(name, program)}`)
}

/** Runs a program in a shell with the printed lines pasted, its placeholders filled in. */
async function run (name, program) {
  const printed = label => server.printed.match(new RegExp(`^  ${label} +(\\S+)`, 'm'))[1]
  const filled = program.replaceAll(PRINTED_ADDRESS, server.address)
    .replace("'ENV'", `'${printed('environment')}'`)
    .replace("'SECRET_ID'", `'${printed('secretId')}'`)
    .replace("'SECRET_KEY'", `'${printed('secretKey')}'`)
  await writeFile(join(folder, name), filled)
  const exports = server.printed.split('\n').filter(line => line.startsWith('  export '))
  assert.equal(exports.length, 2, 'two lines to paste')
  const { stdout } = await promisify(execFile)('bash', ['-ec', [...exports, `exec node ${name}`].join('\n')], { cwd: folder, timeout: 60_000 })
  assert.match(stdout, /_id/, `${name} prints a document`)
  return stdout.trim().split('\n').length + ' lines'
}
