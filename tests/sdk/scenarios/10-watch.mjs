// Watching: every change arrives in order, under its name; a watch ends when it is closed, and says why when it cannot begin.
import assert from 'node:assert/strict'

/** Watches and remembers; `until` waits for what a test expects to have been told. */
function watch (query) {
  const snapshots = []
  const errors = []
  const listener = query.watch({
    onChange: snapshot => snapshots.push(snapshot),
    onError: error => errors.push(error)
  })
  const until = async (is, what) => {
    const end = Date.now() + 8000
    while (!is()) {
      if (Date.now() > end) throw new Error(`${what}: ${JSON.stringify(snapshots)} ${errors.map(String)}`)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }
  const last = () => snapshots.at(-1)
  return { snapshots, errors, listener, until, last, close: () => listener.close() }
}

function needs (api, { absent }) {
  if (api.name !== 'node-sdk-3') absent('only node-sdk 3 can watch')
  if (process.env.WAFERDB_STAND_IN) throw Object.assign(new Error('the stand-in has no sockets'), { notHere: true })
  if (!globalThis.WebSocket) absent('this Node has no WebSocket')
}

const changes = snapshot => snapshot.docChanges.map(({ dataType, queueType, docId }) => `${dataType}/${queueType} ${docId}`)

export const scenarios = {
  async 'each change under its name' (api, tools) {
    needs(api, tools)
    const name = await api.collection([{ _id: 'a', n: 1, gone: 1 }, { _id: 'x', n: -1 }])
    const { _ } = api
    const seen = watch(api.db.collection(name).where({ n: _.gt(0) }))
    await seen.until(() => seen.snapshots.length === 1, 'the first documents')
    assert.deepEqual(seen.last().docs, [{ _id: 'a', n: 1, gone: 1 }])
    const steps = [
      [() => api.add(name, { _id: 'b', n: 2 }), 'add/enqueue b'],
      [() => api.updateDoc(name, 'a', { n: 5, gone: _.remove() }), 'update/update a'],
      [() => api.set(name, 'b', { n: 9, whole: true }), 'replace/update b'],
      [() => api.updateDoc(name, 'b', { n: 0 }), 'update/dequeue b'],
      [() => api.updateDoc(name, 'x', { n: 1 }), 'update/enqueue x'],
      [() => api.removeDoc(name, 'a'), 'remove/dequeue a']
    ]
    for (const [step, expected] of steps) {
      const before = seen.snapshots.length
      await step()
      await seen.until(() => seen.snapshots.length > before, expected)
      assert.deepEqual(changes(seen.last()), [expected])
    }
    assert.deepEqual(seen.last().docs, [{ _id: 'x', n: 1 }])
    assert.deepEqual(seen.errors, [])
    await seen.close()
  },

  async 'one document, from nothing' (api, tools) {
    needs(api, tools)
    const name = await api.collection()
    const seen = watch(api.db.collection(name).doc('d1'))
    await seen.until(() => seen.snapshots.length === 1, 'nothing, but told')
    assert.deepEqual([seen.last().docs, seen.last().type], [[], 'init'])
    await api.add(name, { _id: 'other' })
    await api.add(name, { _id: 'd1', n: 1 })
    await seen.until(() => seen.snapshots.length === 2, 'the document')
    assert.deepEqual(seen.last().docs, [{ _id: 'd1', n: 1 }])
    await seen.close()
  },

  async 'a hundred changes in order' (api, tools) {
    needs(api, tools)
    const name = await api.collection([{ _id: 'a', n: 0 }])
    const seen = watch(api.db.collection(name).where({}))
    await seen.until(() => seen.snapshots.length === 1, 'the first document')
    await Promise.all(Array.from({ length: 100 }, () => api.updateDoc(name, 'a', { n: api._.inc(1) })))
    await seen.until(() => seen.last().docs[0].n === 100, 'the last change')
    assert.deepEqual(seen.snapshots.map(snapshot => snapshot.docs[0].n), Array.from({ length: 101 }, (_, n) => n))
    await seen.close()
  },

  async 'a collection that is not there' (api, tools) {
    needs(api, tools)
    // The SDK also leaves a rejection that nobody handles.
    const unhandled = () => {}
    process.on('unhandledRejection', unhandled)
    const seen = watch(api.db.collection('no_such_collection').where({ a: 1 }))
    await seen.until(() => seen.errors.length > 1, 'an error')
    process.off('unhandledRejection', unhandled)
    assert.match(JSON.stringify(seen.errors.map(error => error.msgData ?? error.message)), /DATABASE_COLLECTION_NOT_EXIST/)
  }
}
