// Files: upload, links, download, removal, as each SDK does them.
import assert from 'node:assert/strict'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const here = () => {
  if (process.env.WAFERDB_STAND_IN) throw Object.assign(new Error('the stand-in keeps no files'), { notHere: true })
}
const unique = path => `t${process.pid}-${Math.random().toString(36).slice(2, 8)}/${path}`
const upload = async (api, cloudPath, fileContent) => api.checked(await api.app.uploadFile({ cloudPath, fileContent })).fileID
const download = async (api, fileID) => Buffer.from(api.checked(await api.app.downloadFile({ fileID })).fileContent)
const links = async (api, fileList) => api.checked(await api.app.getTempFileURL({ fileList })).fileList
const refused = item => item.code ? item.code !== 'SUCCESS' : item.status !== 0

export const scenarios = {
  async 'what is uploaded comes back' (api) {
    here()
    for (const path of ['plain.txt', 'hé llo (1).txt', '图片/一.png', '100%25.bin', 'a+b&c=d.txt']) {
      const bytes = Buffer.from(`content of ${path}`)
      const id = await upload(api, unique(path), bytes)
      assert.match(id, /^cloud:\/\//)
      assert.deepEqual(await download(api, id), bytes, path)
    }
  },

  async 'a file from a stream, larger than one part' (api) {
    here()
    const bytes = Buffer.alloc(7 << 20, 'wafer')
    const folder = await mkdtemp(join(tmpdir(), 'wafer-'))
    await writeFile(join(folder, 'large.bin'), bytes)
    const id = await upload(api, unique('large.bin'), createReadStream(join(folder, 'large.bin')))
    await rm(folder, { recursive: true })
    assert.ok((await download(api, id)).equals(bytes))
  },

  async 'an empty file' (api, { absent }) {
    here()
    if (api.name !== 'node-sdk-3' && api.name !== 'wx-4') absent('this SDK takes an empty buffer for no content')
    const id = await upload(api, unique('empty'), Buffer.alloc(0))
    const [{ tempFileURL }] = await links(api, [id])
    assert.equal((await (await fetch(tempFileURL)).arrayBuffer()).byteLength, 0)
  },

  async 'a second upload takes the place of the first' (api) {
    here()
    const path = unique('twice.txt')
    const id = await upload(api, path, Buffer.from('one'))
    assert.equal(await upload(api, path, Buffer.from('two')), id)
    assert.equal(String(await download(api, id)), 'two')
  },

  async 'links: ranges, types, one bit changed' (api) {
    here()
    const id = await upload(api, unique('page.html'), Buffer.from('<b>0123456789</b>'))
    const [{ tempFileURL: url }] = await links(api, [id])
    const whole = await fetch(url)
    assert.equal(whole.status, 200)
    assert.match(whole.headers.get('content-type'), /text\/html/)
    assert.equal(whole.headers.get('content-disposition'), 'attachment')
    assert.equal(whole.headers.get('x-content-type-options'), 'nosniff')
    const part = await fetch(url, { headers: { range: 'bytes=3-5' } })
    assert.equal(part.status, 206)
    assert.equal(await part.text(), '012')
    assert.equal((await fetch(url, { headers: { 'if-none-match': whole.headers.get('etag') } })).status, 304)
    const token = url.split('/').at(-2)
    const changed = token.slice(0, 30) + (token[30] === 'A' ? 'B' : 'A') + token.slice(31)
    assert.equal((await fetch(url.replace(token, changed))).status, 403)
  },

  async 'files that are not there, and several at once' (api) {
    here()
    const id = await upload(api, unique('there.txt'), Buffer.from('x'))
    const gone = id.replace('there', 'nowhere')
    const list = await links(api, [id, gone])
    assert.deepEqual(list.map(refused), [false, true])
    const removed = api.checked(await api.app.deleteFile({ fileList: [id, gone] })).fileList
    assert.deepEqual(removed.map(refused), [false, true])
    assert.ok(refused((await links(api, [id]))[0]))
  },

  async 'paths that lead out are refused' (api) {
    here()
    for (const cloudPath of ['../up.txt', 'a/../../b', 'a//b', 'tab\there']) {
      await assert.rejects(async () => upload(api, cloudPath, Buffer.from('x')), undefined, cloudPath)
    }
  }
}
