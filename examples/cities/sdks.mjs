// How two SDKs spell the same calls: what they take and what they answer differs a little.

/** By package name: opens the SDK and answers with its database and the calls that differ. */
export const SDKS = {
  async 'wx-server-sdk' (options) {
    const { default: cloud } = await import('wx-server-sdk')
    cloud.init(options)
    return {
      db: cloud.database(),
      add: (collection, data) => collection.add({ data }),
      update: async (query, data) => (await query.update({ data })).stats.updated,
      one: async document => (await document.get()).data,
      list: async pipeline => (await pipeline.end()).list
    }
  },

  async '@cloudbase/node-sdk' (options) {
    const { default: tcb } = await import('@cloudbase/node-sdk')
    return {
      db: tcb.init(options).database(),
      add: (collection, documents) => collection.add(documents),
      update: async (query, change) => (await query.update(change)).updated,
      one: async document => (await document.get()).data[0],
      list: async pipeline => (await pipeline.end()).data
    }
  }
}
