// What a reconnect costs when nothing changed, measured in bytes on the wire in both directions.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { createChangeFeed } from './change-feed.ts'
import { type AcceptedVersions, DeltaReceiver } from './delta-receiver.ts'
import { DeltaSender } from './delta-sender.ts'
import { fromZone } from './incoming.ts'
import { defaultMassDelete } from './mass-delete-guard.ts'
import { openOriginLedger } from './origin-ledger.ts'
import { createZoneOutgoing } from './outgoing-to-global.ts'
import { memoryStore, registry } from './testing/federation.ts'
import { decodeRequest } from './wire.ts'

const count = 10_000

async function scene() {
  const zone = memoryStore('zone')
  const global = memoryStore('global')
  const context = { actor: 'proxy', reason: 'test', class: 'observed' } as const
  const dataplane = (index: number, port = 80) => ({
    type: 'Dataplane',
    mesh: 'default',
    name: `web-${index}`,
    labels: { 'kuma.io/workload': 'web', app: `web-${index % 100}` },
    spec: { networking: { address: `10.0.${index >> 8}.${index & 255}`, inbound: [{ port, name: 'http' }] } },
  })
  await zone.transact(
    Array.from({ length: count }, (_, index) => ({ op: 'put', resource: dataplane(index) }) as const),
    context,
  )
  const ledger = openOriginLedger({ store: global, log: silentLogger, origin: 'zone-1' })
  const feed = createChangeFeed(zone, silentLogger)
  const outgoing = createZoneOutgoing({ registry, log: silentLogger, zone: 'zone-1', systemNamespace: 'kuma-system', skipPrefixes: [] })
  const accepted: AcceptedVersions = new Map()
  /** Connects, and pumps until the list is there. */
  const connect = async (resume: boolean): Promise<{ readonly bytes: number; readonly resources: number }> => {
    const down: Uint8Array[] = []
    const up: Uint8Array[] = []
    let bytes = 0
    let resources = 0
    let isListed = false
    const sender = new DeltaSender({
      outgoing,
      store: zone,
      feed,
      clock: systemClock,
      log: silentLogger,
      identifier: 'zone-1',
      chunked: true,
      write: (message) => {
        bytes += message.length
        down.push(message)
        return true
      },
      count: () => {},
      reader: { asked: () => {}, answered: () => {} },
    })
    const incoming = fromZone({ registry, zone: 'zone-1', hashedNames: true, types: ['Dataplane'], zones: () => [], claimed: () => {} })
    const receiver = new DeltaReceiver({
      registry,
      store: global,
      clock: systemClock,
      log: silentLogger,
      incoming,
      ledger,
      guard: defaultMassDelete,
      node: { id: 'zone-1', metadata: undefined },
      accepted,
      resume,
      offersDigest: true,
      write: (message) => {
        bytes += message.length
        up.push(message)
        return true
      },
      pause: () => {},
      proceed: () => {},
      fail: (error) => {
        throw error
      },
      listed: () => {
        isListed = true
      },
    })
    receiver.identified('store:zone')
    receiver.start()
    while (!isListed) {
      for (const message of up.splice(0)) sender.request(decodeRequest(message))
      await new Promise((resolve) => setImmediate(resolve))
      const before = global.seq
      for (const message of down.splice(0)) receiver.receive(message)
      await receiver.idle()
      resources += global.seq - before
    }
    sender.close()
    receiver.close()
    return { bytes, resources }
  }
  return { zone, global, connect, context, dataplane }
}

test('10,000 unchanged resources cost a reconnect less than 1 MB and 1 s; what changed meanwhile is not missed', async () => {
  const { zone, global, connect, context, dataplane } = await scene()
  const first = await connect(false)
  assert.equal(global.list('Dataplane').length, count)
  assert.ok(first.bytes > 1_000_000, String(first.bytes))
  const cpu = process.cpuUsage()
  const again = await connect(true)
  const { user, system } = process.cpuUsage(cpu)
  assert.ok(again.bytes < 10_000, `${again.bytes} bytes`)
  assert.ok(user + system < 1_000_000, `${user + system} us`)
  await zone.transact(
    [
      { op: 'put', resource: dataplane(7, 81) },
      { op: 'delete', key: { type: 'Dataplane', mesh: 'default', name: 'web-8' } },
    ],
    context,
  )
  await connect(true)
  const ports = global
    .list('Dataplane')
    .map(({ spec }) => (spec as { networking: { inbound: { port: number }[] } }).networking.inbound[0]?.port)
  assert.deepEqual([ports.length, ports.filter((port) => port === 81).length], [count - 1, 1])
})
