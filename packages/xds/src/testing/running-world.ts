// A world with one running service, for tests of streams.
import { type Content } from './simulated-envoy.ts'
import { World } from './world.ts'

/** A cluster with load assignments of its own name. */
export const cluster = (name: string, salt = 0): Content => ({ salt, endpoints: name })
/** A listener that names these clusters. */
export const listener = (clusters: readonly string[], salt = 0): Content => ({ salt, clusters })

/** A world with one service `a`, settled. */
export function running(): World {
  const world = new World()
  addService(world, 'a')
  world.edit('listener', 'out', listener(['a']))
  world.publish()
  world.settle()
  world.envoy.received.length = 0
  return world
}

/** A cluster with its load assignment. */
export function addService(world: World, name: string): void {
  world.edit('cluster', name, cluster(name))
  world.edit('endpoint', name, { salt: 0 })
}

/** What the proxy received, in order: `type +name -name`. */
export function sequence(world: World): readonly string[] {
  return world.envoy.received.map(({ type, names, removed }) =>
    [type, ...names.map((n) => `+${n}`), ...removed.map((n) => `-${n}`)].join(' '),
  )
}
