import { silentLogger } from '@weft/foundation/log'
import { storeConformance } from './testing/conformance.ts'
import { createMemoryStore } from './memory.ts'
import { strictStore } from './strict.ts'

storeConformance('memory', async (clock) => {
  const store = strictStore(createMemoryStore({ clock, log: silentLogger }))
  return { store, dispose: () => store.close() }
})
