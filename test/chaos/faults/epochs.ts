// Processes of a zone whose time is over: an older right of the same store, and a backup of a zone that somebody starts beside it.
import { until } from '../../../apps/demo/src/rest.ts'
import { type Fault, type FaultKind, outOfPatience } from '../fault.ts'
import type { Place } from '../history.ts'
import { subscribe, type Subscription } from '../scripted-peer.ts'
import type { Stage } from '../stage.ts'
import { readIdentity } from '../store-log.ts'
import { admitted, everyType, peerFault } from './peer-fault.ts'

const failedPrecondition = 9
const unavailable = 14

/** Distinguishes runs: a fence lasts as long as the global process that has it. */
let runs = 0

interface Claim {
  readonly zone: Place
  readonly store: string
  readonly epoch: number
  readonly instance: string
}

/** A process of an own zone with this right; it subscribes to everything. */
async function appear(stage: Stage, { zone, store, epoch, instance }: Claim, served: () => void) {
  const headers = { 'weft-store-id': store, 'weft-epoch': String(epoch), 'weft-instance-id': instance }
  const peer = await admitted(stage.federation, zone, { id: instance, headers })
  return { peer, ...subscribe(peer, everyType, { answer: 'ack', onResponse: served }) }
}

async function endsWith(code: number, what: string, { call }: Pick<Subscription, 'call'>): Promise<void> {
  const ended = await Promise.race([call.ended, outOfPatience()])
  if (ended !== code) throw new Error(`${what}: ended with ${ended ?? 'nothing within a minute'} instead of ${code}`)
}

export const epochFaults: readonly FaultKind[] = [
  peerFault(
    'old epoch',
    async (stage, zone) => {
      const run = ++runs
      const open = (epoch: number) =>
        appear(stage, { zone, store: `store-of-${zone}-${run}`, epoch, instance: `${zone}-${epoch}` }, () =>
          stage.history.add({ kind: 'served', zone, session: `${run}/${epoch}`, at: performance.now() }),
        )
      const isServed = async (which: Subscription, epoch: number): Promise<void> => {
        await until(`epoch ${epoch} is served`, async () => which.counts.size > 0, 120_000)
      }
      await using open7 = disposing(await open(7))
      await isServed(open7.of, 7)
      await using open6 = disposing(await open(6))
      await endsWith(failedPrecondition, 'old epoch: 6 beside 7', open6.of)
      if (open6.of.counts.size > 0) throw new Error('old epoch: 6 was served beside 7')
      await using open8 = disposing(await open(8))
      await isServed(open8.of, 8)
      await endsWith(failedPrecondition, 'old epoch: 7 after 8 came', open7.of)
      await using again7 = disposing(await open(7))
      await endsWith(failedPrecondition, 'old epoch: 7 beside 8', again7.of)
      if (again7.of.counts.size > 0) throw new Error('old epoch: 7 was served beside 8')
    },
    // a global that comes back has no fences of sessions that are gone
    { touches: ['global'] },
  ),
  {
    name: 'backup of a zone',
    draw: (): Fault => ({
      name: 'a backup of east started beside it',
      touches: ['east', 'link east', 'global'],
      cutsOff: [],
      run: async (stage) => {
        await stage.follows(['east'], 120_000)
        const { id, epoch } = readIdentity(stage.federation.plane('east').workFolder)
        const beside = (right: number) =>
          appear(stage, { zone: 'east', store: id, epoch: right, instance: `backup-${++runs}` }, () => {
            throw new Error(`backup of a zone: epoch ${right} of east was served beside ${epoch}`)
          })
        await using older = disposing(await beside(epoch - 1))
        await endsWith(failedPrecondition, `backup of a zone: epoch ${epoch - 1} beside ${epoch}`, older.of)
        // the same right and another process: as long as the first one answers, it stays
        await using equal = disposing(await beside(epoch))
        await endsWith(unavailable, `backup of a zone: another process with epoch ${epoch}`, equal.of)
        if (older.of.counts.size + equal.of.counts.size > 0) throw new Error('backup of a zone: it was served')
      },
    }),
  },
]

/** Ends the connection of a peer with the block. */
function disposing<T extends { readonly peer: AsyncDisposable }>(of: T): { readonly of: T } & AsyncDisposable {
  return { of, [Symbol.asyncDispose]: () => Promise.resolve(of.peer[Symbol.asyncDispose]()) }
}
