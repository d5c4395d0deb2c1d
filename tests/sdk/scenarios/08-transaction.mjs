// Transactions: all or nothing, own writes visible, conflicts retried, rollback.
import assert from 'node:assert/strict'

const NO_TURNS = 'MongoDB fails the later of two at once; that transactions wait for their turn is a promise of WaferDB'

export const scenarios = {
  async 'a transfer commits as a whole' (api) {
    const name = await api.collection([{ _id: 'a', money: 10 }, { _id: 'b', money: 0 }])
    const { _ } = api
    const result = await api.transaction(async transaction => {
      const from = await transaction.get(name, 'a')
      await transaction.update(name, 'a', { money: from.money - 4 })
      await transaction.update(name, 'b', { money: _.inc(4) })
      return (await transaction.get(name, 'b')).money
    })
    assert.equal(result, 4, 'a transaction sees its own writes')
    assert.deepEqual([(await api.get(name, 'a')).money, (await api.get(name, 'b')).money], [6, 4])
  },

  async 'add, set and remove inside' (api) {
    const name = await api.collection([{ _id: 'gone' }, { _id: 'kept', n: 1 }])
    await api.transaction(async transaction => {
      await transaction.add(name, { _id: 'new', n: 1 })
      await transaction.set(name, 'kept', { n: 2 })
      await transaction.set(name, 'made', { n: 3 })
      await transaction.remove(name, 'gone')
    })
    assert.deepEqual(await api.find(name, { sort: [['_id', 'asc']] }), [{ _id: 'kept', n: 2 }, { _id: 'made', n: 3 }, { _id: 'new', n: 1 }])
  },

  async 'a document that is not there' (api) {
    const name = await api.collection()
    assert.equal(await api.transaction(transaction => transaction.get(name, 'nobody')), null)
  },

  async 'rollback leaves nothing' (api) {
    const name = await api.collection([{ _id: 'a', n: 1 }])
    await assert.rejects(async () => api.transaction(async transaction => {
      await transaction.update(name, 'a', { n: 2 })
      await transaction.rollback('changed my mind')
    }))
    assert.equal((await api.get(name, 'a')).n, 1)
  },

  async 'an error inside leaves nothing' (api) {
    const name = await api.collection([{ _id: 'a', n: 1 }])
    await assert.rejects(async () => api.transaction(async transaction => {
      await transaction.update(name, 'a', { n: 2 })
      throw new Error('the program failed')
    }))
    assert.equal((await api.get(name, 'a')).n, 1)
  },

  async 'others do not see it before the commit' (api) {
    const name = await api.collection([{ _id: 'a', n: 1 }])
    let seen
    await api.transaction(async transaction => {
      await transaction.update(name, 'a', { n: 2 })
      seen = (await api.get(name, 'a')).n
    })
    assert.equal(seen, 1)
    assert.equal((await api.get(name, 'a')).n, 2)
  },

  async 'racing transfers lose nothing' (api) {
    const name = await api.collection([{ _id: 'a', n: 0 }])
    const increment = () => api.transaction(async transaction => {
      const { n } = await transaction.get(name, 'a')
      await transaction.update(name, 'a', { n: n + 1 })
    }, 10)
    const outcomes = await Promise.allSettled(Array.from({ length: 4 }, increment))
    const done = outcomes.filter(outcome => outcome.status === 'fulfilled').length
    assert.ok(done >= 1, 'at least one went through')
    assert.equal((await api.get(name, 'a')).n, done, 'each that was told "done" is counted once')
  },

  async 'everybody gets through to a hot document' (api, { absent }) {
    if (process.env.WAFERDB_STAND_IN) absent(NO_TURNS)
    const name = await api.collection([{ _id: 'a', n: 0 }])
    const increment = () => api.transaction(async transaction => {
      const { n } = await transaction.get(name, 'a')
      await transaction.update(name, 'a', { n: n + 1 })
    })
    // With the attempts that the SDK makes by itself.
    await Promise.all(Array.from({ length: 12 }, increment))
    assert.equal((await api.get(name, 'a')).n, 12)
  },

  async 'transfers both ways between two hot accounts' (api, { absent }) {
    const name = await api.collection([{ _id: 'a', n: 100 }, { _id: 'b', n: 100 }])
    const transfer = (from, to) => api.transaction(async transaction => {
      const has = await transaction.get(name, from)
      const gets = await transaction.get(name, to)
      await transaction.update(name, from, { n: has.n - 1 })
      await transaction.update(name, to, { n: gets.n + 1 })
    })
    const ways = Array.from({ length: 8 }, (_, at) => at % 4 === 0 ? transfer('b', 'a') : transfer('a', 'b'))
    const outcomes = await Promise.allSettled(ways)
    const done = way => outcomes.filter((outcome, at) => outcome.status === 'fulfilled' && (at % 4 === 0) === way).length
    assert.equal((await api.get(name, 'a')).n, 100 + done(true) - done(false))
    assert.equal((await api.get(name, 'b')).n, 100 - done(true) + done(false))
    if (process.env.WAFERDB_STAND_IN) absent(NO_TURNS)
    assert.ok(done(true) + done(false) >= 6, `${outcomes.map(({ reason }) => reason?.message ?? reason?.errMsg ?? 'done')}`)
  }
}
