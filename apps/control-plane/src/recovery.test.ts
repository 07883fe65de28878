import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { ReturnedDataplanes } from '@weft/kds'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import type { Resource } from '@weft/resources'
import { createRecovery, type Recovery, type RecoveringStream, returnGraceMs } from './recovery.ts'

/** A stream that notes what it was told. */
interface FakeStream extends RecoveringStream {
  state: 'retained' | 'relaxed' | 'free'
  catchUp(): void
}

function streamOf(resumed: boolean, isCaughtUp = true): FakeStream {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (isCaughtUp) resolve()
  const stream: FakeStream = {
    resumed,
    closed: false,
    asked: () => Promise.resolve(),
    state: 'retained',
    relaxRecovery: () => {
      if (stream.state === 'retained') stream.state = 'relaxed'
    },
    endRecovery: () => {
      stream.state = 'free'
    },
    caughtUp: () => promise,
    catchUp: resolve,
  }
  return stream
}

interface World {
  readonly clock: FakeClock
  readonly recovery: Recovery
  readonly unlisted: Set<string>
  readonly meshes: Set<string>
  /** Stored Dataplanes by proxy key. */
  readonly dataplanes: Map<string, Resource>
  readonly connected: Set<string>
  /** What global returned; it knows nothing while this is undefined. */
  returned: Set<string> | undefined
  /** Resolves `quiet`; at once unless a test holds it. */
  hold: Promise<void> | undefined
  /** A proxy comes: it registers, then is served. */
  connect(name: string, options?: { readonly resumed?: boolean; readonly probed?: boolean; readonly isCaughtUp?: boolean }): FakeStream
  /** Everything that is pending without a timer. */
  turn(): Promise<void>
}

// after what came with nothing was served, a lost connection must not freeze it
it('a proxy that came with nothing is served as always when it comes again', async () => {
  const world = setUp()
  world.connect('a', { resumed: false })
  const old = world.connect('b')
  await world.turn()
  assert.equal(world.connect('a').state, 'free')
  assert.equal(world.connect('b').state, 'retained')
  assert.equal(old.state, 'retained')
})

function dataplane(proxyKey: string, probed: boolean): Resource {
  const [mesh = '', name = ''] = proxyKey.split('/')
  const inbound = [{ port: 80, ...(probed ? { serviceProbe: { tcp: {} }, state: 'NotReady' } : {}) }]
  const times = { creationTime: '', modificationTime: '', version: 1 }
  return { type: 'Dataplane', mesh, name, labels: {}, ...times, spec: { networking: { address: '10.0.0.1', inbound } } }
}

function setUp(needed = true): World {
  const clock = new FakeClock()
  const unlisted = new Set(['Mesh', 'Secret'])
  const meshes = new Set<string>()
  const dataplanes = new Map<string, Resource>()
  const connected = new Set<string>()
  const key = (resource: Resource): string => `${resource.mesh}/${resource.name}`
  const world: World = {
    clock,
    unlisted,
    meshes,
    dataplanes,
    connected,
    returned: undefined,
    hold: undefined,
    recovery: createRecovery({
      needed,
      unlisted: () => [...unlisted],
      meshes: () => [...meshes],
      returned: (): ReturnedDataplanes | undefined => {
        const { returned } = world
        if (!returned) return undefined
        return {
          missingOf: (mesh) => {
            const ofMesh = [...returned].filter((name) => name.startsWith(`${mesh}/`))
            return ofMesh.length === 0 ? undefined : new Set(ofMesh.filter((name) => !dataplanes.has(name)))
          },
          has: (resource) => returned.has(key(resource)),
        }
      },
      dataplane: (proxyKey) => dataplanes.get(proxyKey),
      isConnected: (proxyKey) => connected.has(proxyKey),
      mayChange: () => true,
      quiet: async () => world.hold,
      clock,
      log: silentLogger,
    }),
    connect: (name, { resumed = true, probed = false, isCaughtUp = true } = {}) => {
      const proxyKey = name.includes('/') ? name : `default/${name}`
      dataplanes.set(proxyKey, dataplane(proxyKey, probed))
      connected.add(proxyKey)
      const stream = streamOf(resumed, isCaughtUp)
      if (world.recovery.isRecovering(proxyKey)) world.recovery.onStream(proxyKey, stream)
      else stream.state = 'free'
      return stream
    },
    turn: () => new Promise((resolve) => setImmediate(resolve)),
  }
  return world
}

async function listed(world: World): Promise<void> {
  world.unlisted.clear()
  world.meshes.add('default')
  world.recovery.advance()
  await world.turn()
}

const phases = ({ recovery }: World): Record<string, string> =>
  Object.fromEntries(recovery.status().meshes.map(({ mesh, phase }) => [mesh, phase]))
const isOver = async ({ recovery, turn }: World): Promise<boolean> => {
  let over = false
  void recovery.over.then(() => (over = true))
  await turn()
  return over
}

describe('recovery', () => {
  it('is over before it begins when the state is there', async () => {
    const world = setUp(false)
    assert.equal(world.recovery.isRecovering('default/a'), false)
    assert.equal(await isOver(world), true)
    assert.deepEqual(world.recovery.status().meshes, [])
    assert.equal(world.clock.pending, 0)
  })

  it('keeps all as it is until lists, Mesh and what follows from them are there', async () => {
    const world = setUp()
    const a = world.connect('a')
    world.unlisted.delete('Mesh')
    world.recovery.advance()
    await world.turn()
    assert.deepEqual(world.recovery.status().unlisted, ['Secret'])
    world.unlisted.clear()
    world.recovery.advance()
    await world.turn()
    assert.deepEqual([a.state, phases(world)], ['retained', { default: 'incomplete' }])
    const { promise, resolve } = Promise.withResolvers<void>()
    world.hold = promise
    world.meshes.add('default')
    world.recovery.advance()
    await world.turn()
    const b = world.connect('b')
    assert.deepEqual([a.state, b.state], ['retained', 'retained'])
    resolve()
    await world.turn()
    assert.deepEqual([a.state, b.state, phases(world)], ['relaxed', 'relaxed', { default: 'returning' }])
  })

  it('ends as soon as all that global returned are back', async () => {
    const world = setUp()
    world.returned = new Set(['default/a', 'default/b', 'other/c'])
    const a = world.connect('a')
    await listed(world)
    assert.deepEqual(world.recovery.status().meshes.find(({ mesh }) => mesh === 'default')?.waitingFor, ['default/b'])
    const b = world.connect('b')
    await world.turn()
    assert.deepEqual([a.state, b.state, phases(world)], ['free', 'free', { default: 'over' }])
    assert.equal(world.clock.now() - new FakeClock().now(), 0)
    assert.equal(await isOver(world), true)
    assert.equal(world.connect('c').state, 'free')
    // the proxies of a mesh that comes later are not forgotten
    assert.equal(world.connect('other/c').state, 'retained')
    world.meshes.add('other')
    world.recovery.advance()
    await world.turn()
    assert.equal(phases(world)['other'], 'over')
    world.recovery.stop()
    assert.equal(world.clock.pending, 0)
  })

  it('waits for the grace when a proxy is missing, from when it could come back', async () => {
    const world = setUp()
    world.returned = new Set(['default/a', 'default/b'])
    world.clock.advance(300_000)
    await listed(world)
    const a = world.connect('a')
    await world.turn()
    world.clock.advance(returnGraceMs - 1)
    await world.turn()
    assert.equal(a.state, 'relaxed')
    world.clock.advance(1)
    await world.turn()
    assert.equal(a.state, 'free')
  })

  it('waits for the grace when nobody can tell who is missing', async () => {
    const world = setUp()
    const a = world.connect('a')
    await listed(world)
    world.clock.advance(returnGraceMs - 1)
    await world.turn()
    assert.equal(a.state, 'relaxed')
    world.clock.advance(1)
    await world.turn()
    assert.equal(a.state, 'free')
  })

  it('does not believe a global that lacks a proxy which was served before', async () => {
    const world = setUp()
    world.returned = new Set(['default/a'])
    await listed(world)
    world.connect('new', { resumed: false })
    const stranger = world.connect('stranger')
    world.connect('a')
    await world.turn()
    assert.equal(stranger.state, 'relaxed')
    world.clock.advance(returnGraceMs)
    await world.turn()
    assert.equal(stranger.state, 'free')
  })

  it('waits for who was lost again, and not for who left', async () => {
    const world = setUp()
    world.returned = new Set(['default/a', 'default/b', 'default/c'])
    const a = world.connect('a')
    world.connect('b')
    world.connected.delete('default/b')
    await listed(world)
    world.connect('c')
    await world.turn()
    assert.equal(a.state, 'relaxed')
    world.dataplanes.delete('default/b')
    // gone from the store, but it was back: it is not missing
    world.returned.delete('default/b')
    world.recovery.advance()
    await world.turn()
    assert.equal(a.state, 'free')
  })

  it('waits for the first report about probed inbounds, for a while', async () => {
    for (const reports of [true, false]) {
      const world = setUp()
      world.returned = new Set(['default/a', 'default/b'])
      const a = world.connect('a')
      await listed(world)
      world.connect('b', { probed: true })
      await world.turn()
      assert.equal(a.state, 'relaxed')
      if (reports) {
        world.dataplanes.set('default/b', dataplane('default/b', false))
        world.recovery.advance()
      } else world.clock.advance(5_000)
      await world.turn()
      assert.equal(a.state, 'free')
    }
  })

  it('lets proxies that are back accept what is new before it ends, for a bounded time', async () => {
    for (const accepts of [true, false]) {
      const world = setUp()
      world.returned = new Set(['default/a', 'default/b'])
      const a = world.connect('a', { isCaughtUp: false })
      await listed(world)
      world.connect('b')
      await world.turn()
      assert.deepEqual([a.state, phases(world)], ['relaxed', { default: 'finishing' }])
      if (accepts) a.catchUp()
      else world.clock.advance(5_000)
      await world.turn()
      assert.equal(a.state, 'free')
    }
  })

  it('awaits proxies of which it knows', async () => {
    const world = setUp()
    world.connect('new', { resumed: false })
    assert.equal(world.recovery.awaits('default'), false)
    world.connect('a')
    assert.equal(world.recovery.awaits('default'), true)
    assert.equal(world.recovery.awaits('other'), false)
    world.returned = new Set(['default/a'])
    await listed(world)
    assert.equal(world.recovery.awaits('default'), false)
  })

  it('can be ended by hand', async () => {
    const world = setUp()
    const a = world.connect('a')
    world.recovery.end()
    assert.equal(a.state, 'free')
    assert.equal(world.recovery.status().recovering, false)
    assert.equal(await isOver(world), true)
    assert.equal(world.connect('b').state, 'free')
    assert.equal(world.clock.pending, 0)
  })

  it('always ends, and never before what it waits for is back or its time is over', async () => {
    const names = ['a', 'b', 'c', 'd']
    const step = fc.oneof(
      fc.constantFrom(...names).map((name) => ({ kind: 'connect' as const, name })),
      fc.constantFrom(...names).map((name) => ({ kind: 'lose' as const, name })),
      fc.constantFrom(1, 1_000, 20_000).map((ms) => ({ kind: 'wait' as const, ms })),
      fc.constant({ kind: 'list' as const }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25, size: 'max' }), fc.option(fc.subarray(names)), async (steps, known) => {
        const world = setUp()
        if (known) world.returned = new Set(known.map((name) => `default/${name}`))
        const streams = new Map<string, FakeStream>()
        const seen = new Set<string>()
        let completeAt: number | undefined
        const check = (): void => {
          const freed = [...streams.values()].some((stream) => stream.state === 'free')
          if (!freed) return
          const isGraceOver = completeAt !== undefined && world.clock.now() >= completeAt + returnGraceMs
          const areBack = known?.every((name) => seen.has(name)) === true && known.length > 0
          assert.ok(completeAt !== undefined && (isGraceOver || areBack))
        }
        for (const each of steps) {
          if (each.kind === 'connect') {
            seen.add(each.name)
            streams.set(each.name, world.connect(each.name))
          } else if (each.kind === 'lose') world.connected.delete(`default/${each.name}`)
          else if (each.kind === 'wait') world.clock.advance(each.ms)
          else {
            completeAt ??= world.clock.now()
            await listed(world)
          }
          await world.turn()
          check()
        }
        completeAt ??= world.clock.now()
        await listed(world)
        world.clock.advance(returnGraceMs + 10_000)
        await world.turn()
        await world.turn()
        for (const stream of streams.values()) assert.equal(stream.state, 'free')
        assert.equal(await isOver(world), true)
        world.recovery.stop()
        assert.equal(world.clock.pending, 0)
      }),
      { numRuns: 150, seed: 5 },
    )
  })
})
