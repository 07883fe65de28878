import { randomBytes } from 'node:crypto'
import { after, before, describe } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { strictStore } from '../strict.ts'
import { storeConformance } from '../testing/conformance.ts'
import { historyConformance } from '../testing/history-conformance.ts'
import { startDatabases, type TestDatabases } from '../testing/postgres-databases.ts'
import { withoutPostgres } from '../testing/postgres-server.ts'
import { createHistoryKey } from '../history-key.ts'
import { openPostgresStore } from './open-postgres-store.ts'

const key = createHistoryKey(randomBytes(32))

describe('PostgreSQL', { skip: withoutPostgres() }, () => {
  let databases: TestDatabases
  before(async () => {
    databases = await startDatabases()
  })
  after(() => databases.server.dispose())

  storeConformance('postgres', async (clock) => {
    const settings = await databases.take()
    const open = async () => strictStore(await openPostgresStore({ settings, clock, log: silentLogger, key }))
    let store = await open()
    return {
      store,
      reopen: async () => {
        await store.close()
        store = await open()
        return store
      },
      dispose: async () => {
        await store.close()
        await databases.giveBack(settings)
      },
    }
  })

  historyConformance('postgres', async (clock) => {
    const settings = await databases.take()
    return {
      open: (options) => openPostgresStore({ settings, clock, log: silentLogger, key, sealedTypes: ['Secret'], ...options }),
      dispose: () => databases.giveBack(settings),
    }
  })
})
