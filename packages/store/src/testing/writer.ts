// The process that the kill -9 test kills: writes pairs that belong together and says on standard output what was acknowledged.
import { writeSync } from 'node:fs'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { openEmbeddedStore } from '../embedded.ts'
import { createHistoryKey } from '../history-key.ts'
import { openPostgresStore } from '../postgres/open-postgres-store.ts'
import type { PostgresSettings } from '../postgres/settings.ts'

const [driver = '', place = '', round = '0'] = process.argv.slice(2)
const options = { clock: systemClock, log: silentLogger }
const store =
  driver === 'postgres'
    ? // what the test passes
      await openPostgresStore({ ...options, settings: JSON.parse(place) as PostgresSettings, key: createHistoryKey(new Uint8Array(32)) })
    : await openEmbeddedStore({ ...options, dir: place })
const resource = (name: string, n: number) =>
  ({ op: 'put', resource: { type: 'Dataplane', mesh: 'm', name, labels: {}, spec: { n } } }) as const
const acknowledge = (name: string, n: number): void => void writeSync(1, `${name} ${n}\n`)

for (let n = Number(round) * 1_000_000 + 1; ; n += 1) {
  await Promise.all([
    store
      .transact([resource('left', n), resource('right', n)], { actor: 'test', reason: 'pair', class: 'desired' })
      .then(() => acknowledge('left', n)),
    store
      .transact([resource(`one-${n % 50}`, n)], { actor: 'test', reason: 'single', class: 'desired' })
      .then(() => acknowledge(`one-${n % 50}`, n)),
    store.transact([resource('insight', n)], { actor: 'test', reason: 'status', class: 'observed' }),
  ])
}
