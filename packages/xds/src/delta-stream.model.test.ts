// Random edits, networks, refusals and reconnects: whatever happens, the simulated proxy never runs a listener without its clusters, and
// once things are quiet it runs the snapshot.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { World } from './testing/world.ts'
import { xdsTypes } from './type-urls.ts'

const clusterNames = ['a', 'b', 'c', 'd']
const listenerNames = ['l', 'm', 'n']

/** One step, with a name for counterexamples. */
interface Action {
  readonly run: (world: World, salt: number) => void
  toString(): string
}

const action = (label: string, run: Action['run']): Action => ({ run, toString: () => label })
const cluster = fc.constantFrom(...clusterNames)
const listener = fc.constantFrom(...listenerNames)

/** Drops a cluster as a mesh does: from the listeners that use it as well. */
function dropCluster(world: World, name: string, salt: number, poison: boolean): void {
  for (const [user, content] of world.contents.listener) {
    if (content.clusters?.includes(name))
      world.edit('listener', user, { ...content, salt, poison, clusters: content.clusters.filter((c) => c !== name) })
  }
  world.edit('cluster', name, undefined)
  world.edit('endpoint', name, undefined)
}

const edits: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ name: cluster, poison: fc.boolean(), tls: fc.boolean() }).map(({ name, poison, tls }) =>
    action(`cluster ${name}${poison ? ' poison?' : ''}${tls ? ' tls' : ''}`, (world, salt) => {
      world.edit('cluster', name, { salt, poison: poison && salt % 3 === 0, endpoints: name, ...(tls ? { secrets: ['identity'] } : {}) })
      if (!world.contents.endpoint.has(name)) world.edit('endpoint', name, { salt })
    }),
  ),
  cluster.map((name) =>
    action(`endpoint ${name}`, (world, salt) => {
      if (world.contents.cluster.has(name)) world.edit('endpoint', name, { salt })
    }),
  ),
  fc
    .record({ name: cluster, poison: fc.boolean() })
    .map(({ name, poison }) =>
      action(`drop ${name}${poison ? ' poison?' : ''}`, (world, salt) => dropCluster(world, name, salt, poison && salt % 2 === 0)),
    ),
  fc.record({ name: listener, picks: fc.subarray(clusterNames), poison: fc.boolean() }).map(({ name, picks, poison }) =>
    action(`listener ${name} -> ${picks.join(',')}${poison ? ' poison?' : ''}`, (world, salt) => {
      const clusters = picks.filter((pick) => world.contents.cluster.has(pick))
      world.edit('listener', name, { salt, clusters, poison: poison && salt % 3 === 0, secrets: ['identity'] })
    }),
  ),
  listener.map((name) => action(`drop ${name}`, (world) => world.edit('listener', name, undefined))),
  fc.constant(action('secret', (world, salt) => world.edit('secret', 'identity', salt % 5 === 0 ? undefined : { salt }))),
)

const publications: fc.Arbitrary<Action> = fc.constantFrom(
  action('publish', (world) => world.publish()),
  action('publish cells', (world) => world.publishCells()),
  action('publish snapshot, cells', (world) => {
    world.publishSnapshot()
    world.publishCells()
  }),
)

const network: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.constant(action('process', (world) => world.envoy.processNext())) },
  { weight: 6, arbitrary: fc.constant(action('request', (world) => world.passRequest())) },
  { weight: 6, arbitrary: fc.constantFrom(0, 1, 20, 300).map((ms) => action(`${ms} ms`, (world) => world.clock.advance(ms))) },
  { weight: 1, arbitrary: fc.constant(action('6 s', (world) => world.clock.advance(6_000))) },
  { weight: 2, arbitrary: fc.constant(action('settle', (world) => world.settle())) },
  { weight: 1, arbitrary: fc.constantFrom(1, 2, 3).map((count) => action(`window ${count}`, (world) => void (world.window = count))) },
  { weight: 2, arbitrary: fc.constant(action('drain', (world) => world.drain())) },
  {
    weight: 2,
    arbitrary: fc.boolean().map((retain) =>
      action(`reconnect${retain ? ' in recovery' : ''}`, (world) => {
        world.reconnect(retain)
        world.publishSnapshot()
      }),
    ),
  },
)

const actions = fc.array(
  fc.oneof({ weight: 2, arbitrary: edits }, { weight: 2, arbitrary: publications }, { weight: 4, arbitrary: network }),
  { minLength: 10, maxLength: 120 },
)

/** The proxy runs every good resource of the world, and nothing but what is in the world or was refused. */
function assertConverged(world: World, when: string): void {
  for (const type of xdsTypes) {
    const running = world.envoy.running[type]
    const wanted = world.contents[type]
    for (const [name, content] of wanted) {
      if (content.poison === true) continue
      const subscribed = type === 'cluster' || type === 'listener' || running.has(name)
      if (subscribed) assert.deepEqual(running.get(name)?.content, content, `${when}: ${type} ${name}`)
    }
    const poisoned =
      [...wanted.values()].some((content) => content.poison === true) || [...world.contents.listener.values()].some((c) => c.poison)
    if (!poisoned && (type === 'cluster' || type === 'listener')) {
      assert.deepEqual([...running.keys()].sort(), [...wanted.keys()].sort(), `${when}: names of ${type}`)
    }
  }
  for (const [name, { content }] of world.envoy.running.cluster) {
    if (content.endpoints === undefined || !world.contents.endpoint.has(content.endpoints)) continue
    assert.ok(world.envoy.running.endpoint.has(content.endpoints), `${when}: cluster ${name} has no endpoints`)
  }
  assert.equal(world.envoy.warming.size, 0, `${when}: clusters still warming`)
}

it('always serves what it promises', () => {
  fc.assert(
    fc.property(actions, fc.boolean(), fc.boolean(), (steps, outspoken, partial) => {
      const world = new World({ outspoken, partial })
      world.publish()
      steps.forEach((step, at) => step.run(world, at + 1))
      world.publish()
      world.clock.advance(200)
      world.endRecovery()
      world.clock.advance(200)
      world.drain()
      world.settle(60_000)
      assertConverged(world, 'with refusals')
      for (const type of ['cluster', 'listener'] as const) {
        for (const [name, content] of world.contents[type])
          if (content.poison) world.edit(type, name, { ...content, salt: content.salt + 1_000, poison: false })
      }
      world.publish()
      world.settle(60_000)
      assertConverged(world, 'at the end')
      assert.equal(world.stream.settled, true)
    }),
    { numRuns: 500, seed: 7 },
  )
})

const calm: fc.Arbitrary<Action> = fc.constantFrom(
  action('settle', (world) => world.settle()),
  action('process', (world) => world.envoy.processNext()),
  action('request', (world) => world.passRequest()),
)
const quietSteps = fc.array(
  fc.oneof({ weight: 3, arbitrary: edits }, { weight: 2, arbitrary: publications }, { weight: 2, arbitrary: calm }),
  { maxLength: 30, size: 'max' },
)

it('takes nothing away and replaces nothing that was reported while in recovery, and everything afterwards', () => {
  fc.assert(
    fc.property(quietSteps, quietSteps, quietSteps, fc.subarray([...xdsTypes]), (before, during, relaxed, mayChange) => {
      const world = new World()
      let salt = 0
      const run = (steps: readonly Action[]): void => {
        for (const step of steps) step.run(world, (salt += 1))
        world.publish()
        world.settle()
      }
      world.publish()
      run(before)
      world.reconnect(true)
      world.publish()
      run(during)
      world.relaxRecovery((type) => mayChange.includes(type))
      run(relaxed)
      world.endRecovery()
      world.settle(60_000)
      assertConverged(world, 'after recovery')
    }),
    { numRuns: 300, seed: 11 },
  )
})
