// Whatever is written on both sides, lost, resumed or refused on the way: in the end the receiver holds exactly what the sender projects,
// and everything of its own.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { keyText, labelKeys, nameKey, type Resource, type ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import { createChangeFeed } from './change-feed.ts'
import { type AcceptedVersions, DeltaReceiver } from './delta-receiver.ts'
import { DeltaSender } from './delta-sender.ts'
import { zoneFeatures } from './features.ts'
import { watchDependencies } from './filter-dependencies.ts'
import { fromGlobal } from './incoming.ts'
import { stringMembers } from './json.ts'
import { openOriginLedger } from './origin-ledger.ts'
import { createQuarantine } from './quarantine.ts'
import { defaultMassDelete } from './mass-delete-guard.ts'
import { createGlobalOutgoing } from './outgoing-to-zone.ts'
import { memberOf, memoryStore, registry } from './testing/federation.ts'
import { decodeRequest } from './wire.ts'

const types = ['Mesh', 'Secret', 'MeshTimeout', 'MeshService', 'Zone']
const received = ['Mesh', 'Secret', 'MeshTimeout', 'MeshService']

interface Link {
  readonly down: Uint8Array[]
  readonly up: Uint8Array[]
  readonly sender: DeltaSender
  readonly receiver: DeltaReceiver
  close(): void
}

class World {
  readonly clock = new FakeClock()
  readonly global: Store = memoryStore('global')
  readonly zone: Store = memoryStore('zone')
  readonly feed = createChangeFeed(this.global, silentLogger)
  readonly outgoing = createGlobalOutgoing({
    registry,
    store: this.global,
    log: silentLogger,
    systemNamespace: 'kuma-system',
    skipPrefixes: [],
  }).toZone({
    zone: 'zone-1',
    features: new Set(zoneFeatures),
    secondGeneration: false,
  })
  readonly zoneFeed = createChangeFeed(this.zone, silentLogger)
  readonly quarantine = createQuarantine(this.clock)
  /** Types that were found to differ. */
  readonly drifted: string[] = []
  readonly ledger = openOriginLedger({ store: this.zone, log: silentLogger, origin: 'global' })
  readonly accepted: AcceptedVersions = new Map()
  /** What was written in the zone and not deleted there. */
  readonly locals = new Map<string, ResourceKey>()
  link: Link

  constructor() {
    this.link = this.connect(false)
  }

  connect(resume: boolean): Link {
    const down: Uint8Array[] = []
    const up: Uint8Array[] = []
    const sender = new DeltaSender({
      outgoing: this.outgoing,
      store: this.global,
      feed: this.feed,
      clock: this.clock,
      log: silentLogger,
      identifier: 'global',
      chunked: true,
      digests: true,
      write: (bytes) => {
        down.push(bytes)
        // full after every other message, so that waiting for room is exercised too
        return down.length % 2 === 0
      },
      count: () => {},
      reader: { asked: () => {}, answered: () => {} },
    })
    const receiver = new DeltaReceiver({
      registry,
      store: this.zone,
      clock: this.clock,
      log: silentLogger,
      incoming: fromGlobal(received),
      ledger: this.ledger,
      guard: { ...defaultMassDelete, min: Number.MAX_SAFE_INTEGER },
      node: { id: 'zone-1', metadata: undefined },
      accepted: this.accepted,
      resume,
      feed: this.zoneFeed,
      quarantine: this.quarantine,
      namesRefusals: () => true,
      drifted: (type) => void this.drifted.push(type),
      write: (bytes) => {
        up.push(bytes)
        return true
      },
      pause: () => {},
      proceed: () => {},
      fail: (error) => {
        throw error
      },
    })
    const stop = watchDependencies({ feed: this.feed, registry, store: this.global, listener: (type, keys) => sender.mark(type, keys) })
    receiver.start()
    receiver.identified('store:global')
    return {
      down,
      up,
      sender,
      receiver,
      close: () => {
        stop()
        sender.close()
        receiver.close()
      },
    }
  }

  async reconnect(resume: boolean): Promise<void> {
    this.link.close()
    await this.link.receiver.idle()
    this.link = this.connect(resume)
  }

  async deliverDown(): Promise<void> {
    const bytes = this.link.down.shift()
    if (bytes) this.link.receiver.receive(bytes)
    this.link.sender.drained()
    await this.link.receiver.idle()
  }

  async deliverUp(): Promise<void> {
    const bytes = this.link.up.shift()
    if (bytes) this.link.sender.request(decodeRequest(bytes))
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** Delivers all there is, in both directions. */
  async pump(): Promise<void> {
    while (this.link.down.length + this.link.up.length > 0) {
      await this.deliverUp()
      await this.deliverDown()
    }
  }

  async settle(): Promise<void> {
    // a name that is taken here is refused for ever, so there is always something to try again
    for (let round = 0; round < 12; round++) {
      await this.pump()
      this.clock.advance(300_000)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await this.pump()
  }

  check(): void {
    for (const key of this.locals.values()) assert.equal(this.zone.get(key)?.labels[labelKeys.origin], 'zone', keyText(key))
    for (const type of received) {
      const expected = new Map<string, readonly [unknown, string]>()
      for (const resource of this.global.list(type)) {
        const encoded = this.outgoing.encode(resource)
        if (!encoded) continue
        const dot = encoded.name.lastIndexOf('.')
        const key = `${encoded.name.slice(dot + 1)}/${encoded.name.slice(0, dot)}`
        // two resources with one wire name: either is right
        expected.set(key, [resource.spec, encoded.version])
      }
      const isOwn = (resource: Resource): boolean => resource.labels[labelKeys.origin] === 'zone'
      const stored = this.zone.list(type)
      const own = new Set(stored.filter(isOwn).map(nameKey))
      assert.deepEqual(
        stored.filter((resource) => !isOwn(resource)).map(nameKey),
        [...expected.keys()].filter((key) => !own.has(key)).sort(),
        type,
      )
      for (const resource of stored) if (!isOwn(resource)) assert.deepEqual(resource.spec, expected.get(nameKey(resource))?.[0], type)
    }
  }
}

const name = fc.constantFrom('a', 'b', 'c')
const labels = fc.record(
  {
    [labelKeys.kdsSync]: fc.constantFrom('disabled', 'enabled'),
    [labelKeys.origin]: fc.constantFrom('zone', 'global'),
    [labelKeys.zone]: fc.constantFrom('zone-1', 'zone-2'),
    extra: fc.constantFrom('1', '2'),
  },
  { requiredKeys: [] },
)
/** Display names may coincide: then two resources want one wire name. */
const shown = fc.record({ extra: fc.constantFrom('1', '2'), [labelKeys.displayName]: fc.constantFrom('a', 'd') }, { requiredKeys: [] })
const specs: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  Mesh: fc.constantFrom({}, { skipCreatingInitialPolicies: ['*'] }),
  Secret: fc.constantFrom({ data: 'YQ==' }, { data: 'Yg==' }),
  MeshTimeout: fc.constantFrom({ to: [] }, { to: [{ default: { idleTimeout: '1s' } }] }, { to: [{ default: { idleTimeout: 'never' } }] }),
  MeshService: fc.constantFrom({ ports: [], selector: {}, state: 'Available' }, { ports: [], selector: {}, state: 'Unavailable' }),
  Zone: fc.constantFrom({ enabled: true }, { enabled: false }),
}

type Step = (world: World) => Promise<void>

const meshOf = (type: string): string => (type === 'Mesh' || type === 'Zone' ? '' : 'default')
const globalWrite: fc.Arbitrary<Step> = fc.constantFrom(...types).chain((type) =>
  fc
    .record({
      at: type === 'Zone' ? fc.constantFrom('zone-1', 'zone-2') : name,
      spec: specs[type] ?? fc.constant({}),
      with: type === 'MeshService' ? labels : shown,
    })
    .map(
      ({ at, spec, with: given }) =>
        async (world: World) =>
          void (await memberOf(world.global).put(type, meshOf(type), at, spec, stringMembers(given))),
    ),
)
const globalDelete: fc.Arbitrary<Step> = fc.record({ type: fc.constantFrom(...types), at: name }).map(
  ({ type, at }) =>
    async (world) =>
      void (await world.global.transact([{ op: 'delete', key: { type, mesh: meshOf(type), name: at }, ifPresent: true }], {
        actor: 'user:x',
        reason: 'api',
        class: 'desired',
      })),
)
const localWrite: fc.Arbitrary<Step> = fc
  .record({ type: fc.constantFrom('Secret', 'MeshTimeout'), at: name, isDelete: fc.boolean() })
  .map(({ type, at, isDelete }) => async (world) => {
    const key = { type, mesh: 'default', name: at }
    const stored = world.zone.get(key)
    if (stored && stored.labels[labelKeys.origin] !== 'zone') return
    if (isDelete) world.locals.delete(keyText(key))
    else world.locals.set(keyText(key), key)
    if (isDelete) await world.zone.transact([{ op: 'delete', key, ifPresent: true }], { actor: 'user:x', reason: 'api', class: 'desired' })
    else
      await memberOf(world.zone).put(type, 'default', at, type === 'Secret' ? { data: 'Yw==' } : { to: [] }, { [labelKeys.origin]: 'zone' })
  })
/** What no message explains: a copy is lost, altered or left over at the receiver. */
const drift: fc.Arbitrary<Step> = fc
  .record({
    type: fc.constantFrom('Secret', 'MeshTimeout', 'MeshService'),
    kind: fc.constantFrom('missing', 'altered', 'extra'),
    at: fc.nat(),
  })
  .map(({ type, kind, at }) => async (world) => {
    const context = { actor: 'bug', reason: 'test', class: 'observed' } as const
    const copies = world.zone.list(type).filter(({ labels }) => labels[labelKeys.origin] === 'global')
    const copy = copies[at % Math.max(1, copies.length)]
    if (kind === 'extra') {
      const key = { type, mesh: 'default', name: `extra-${at % 3}` }
      const spec =
        type === 'Secret' ? { data: 'eA==' } : type === 'MeshTimeout' ? { to: [] } : { ports: [], selector: {}, state: 'Available' }
      await world.zone.transact([{ op: 'put', resource: { ...key, labels: { [labelKeys.origin]: 'global' }, spec } }], context)
    } else if (copy && kind === 'missing') await world.zone.transact([{ op: 'delete', key: copy }], context)
    else if (copy) {
      const { mesh, name, spec } = copy
      await world.zone.transact([{ op: 'put', resource: { type, mesh, name, spec, labels: { ...copy.labels, altered: 'yes' } } }], context)
    }
  })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: drift },
  { weight: 6, arbitrary: globalWrite },
  { weight: 2, arbitrary: globalDelete },
  { weight: 3, arbitrary: localWrite },
  { weight: 2, arbitrary: fc.constant<Step>((world) => world.deliverDown()) },
  { weight: 2, arbitrary: fc.constant<Step>((world) => world.deliverUp()) },
  { weight: 3, arbitrary: fc.constant<Step>((world) => world.pump()) },
  {
    weight: 1,
    arbitrary: fc.boolean().map(
      (resume): Step =>
        (world) =>
          world.reconnect(resume),
    ),
  },
)

test('sender and receiver converge', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
      const world = new World()
      await world.pump()
      for (const run of steps) await run(world)
      await world.settle()
      // an invalid policy never arrives; make everything valid and look again
      for (const policy of world.global.list('MeshTimeout'))
        await memberOf(world.global).put('MeshTimeout', 'default', policy.name, { to: [] }, policy.labels)
      await world.settle()
      world.check()
      for (const type of received) for (const { labels: found } of world.zone.list(type)) assert.equal(found['altered'], undefined, type)
      // quiet and equal: nothing is asked for again
      const found = world.drifted.length
      await world.settle()
      assert.equal(world.drifted.length, found)
      world.link.close()
      world.feed.close()
    }),
    { numRuns: 200 },
  )
})
