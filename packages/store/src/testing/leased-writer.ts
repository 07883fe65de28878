// The process that the tests of paused writers stop: writes resources under a lease when it is told to, and says what became of it.
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { AppError } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { createHistoryKey } from '../history-key.ts'
import { openPostgresStore } from '../postgres/open-postgres-store.ts'
import type { PostgresSettings } from '../postgres/settings.ts'

/** One transaction; it is answered with a line: `written`, or the code of the error. */
export interface LeasedWrite {
  readonly names: readonly string[]
  readonly epoch: number
}

/** Who writes, in the log. */
export const leasedActor = 'generator:paused'

if (import.meta.main) {
  const store = await openPostgresStore({
    clock: systemClock,
    log: silentLogger,
    // what the test passes
    settings: JSON.parse(process.argv[2] ?? '') as PostgresSettings,
    key: createHistoryKey(new Uint8Array(32)),
  })
  writeSync(1, 'ready\n')
  for await (const line of createInterface({ input: process.stdin })) {
    // what the test sends
    const { names, epoch } = JSON.parse(line) as LeasedWrite
    const outcome = await store
      .transact(
        names.map((name) => ({ op: 'put', resource: { type: 'MeshTimeout', mesh: 'm', name, labels: {}, spec: {} } })),
        { actor: leasedActor, reason: 'generated', class: 'desired', lease: { name: 'leader', epoch } },
      )
      .then(
        () => 'written',
        (error: unknown) => (error instanceof AppError ? error.code : String(error)),
      )
    writeSync(1, `${outcome}\n`)
  }
  await store.close()
}
