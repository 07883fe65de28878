// The process that the kill -9 test kills: writes pairs that belong together and says on standard output what was acknowledged.
import { writeSync } from 'node:fs'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { openEmbeddedStore } from '../embedded.ts'

const [dir = '', round = '0'] = process.argv.slice(2)
const store = await openEmbeddedStore({ dir, clock: systemClock, log: silentLogger })
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
