// Work that only the leader of a zone does, and the judgement that nobody else ever did any of it.
import assert from 'node:assert/strict'
import { getJson, http, until } from '../../apps/demo/src/rest.ts'
import { isObject } from '../chaos/canonical.ts'
import { judgeLog, type Violation } from '../chaos/invariants.ts'
import { queryChangeLog } from '../chaos/store-log.ts'
import type { Role } from './control-planes.ts'
import { type LeadingPlanes, patienceMs, putDataplane, type ReplicaName } from './leading-planes.ts'

export interface LedWork {
  /** A write that has to be taken, whenever a busy machine gets to it. */
  put(name: ReplicaName, path: string, resource: object): Promise<void>
  /** Name of the next workload. */
  readonly upcoming: string
  /** Registers a new workload at a replica and returns its name: the leader makes a service of it. */
  register(through: ReplicaName): Promise<string>
  /** Resolves when a replica shows the whole service of a workload. */
  shown(workload: string, at: ReplicaName): Promise<void>
  /** Registers a workload at a replica, and waits for what the leader makes of it at `at`. */
  generated(through: ReplicaName, at: readonly ReplicaName[]): Promise<string>
  /** Who wrote a resource as leader. */
  writersOf(role: Role, resource: string): Promise<readonly ReplicaName[]>
  /** Throws when anybody of these roles ever wrote as leader who was not the leader in the very transaction. */
  isFencedThroughout(roles?: readonly Role[]): Promise<void>
  /** What is wrong with the change log of a role: holes, an end that is not the store's, a chain that does not verify at a replica. */
  logFaults(role: Role, at: readonly ReplicaName[]): Promise<readonly Violation[]>
  /** Every workload whose registration was acknowledged. */
  readonly registered: readonly string[]
}

export function ledWork(planes: LeadingPlanes): LedWork {
  const registered: string[] = []
  const serviceAt = async (name: ReplicaName, workload: string): Promise<unknown> => {
    const found = await getJson(`${planes.api(name)}/meshes/default/meshservices/${workload}`)
    return isObject(found) && isObject(found['status']) && Array.isArray(found['status']['vips']) ? found['status']['vips'] : undefined
  }
  const work: LedWork = {
    registered,
    get upcoming() {
      return `work-${registered.length + 1}`
    },
    put: async (name, path, resource) => {
      await until(
        `PUT ${path} at ${name}`,
        async () => [200, 201].includes((await http('PUT', `${planes.api(name)}/meshes/default/${path}`, resource)).status),
        patienceMs,
      )
    },
    register: async (through) => {
      const workload = work.upcoming
      await until(
        `${workload} is registered`,
        async () => [200, 201].includes(await putDataplane(planes.api(through), workload, `10.0.0.${registered.length + 1}`)),
        patienceMs,
      )
      registered.push(workload)
      return workload
    },
    shown: async (workload, at) => {
      await until(`service ${workload} at ${at}`, async () => (await serviceAt(at, workload)) !== undefined, patienceMs)
    },
    generated: async (through, at) => {
      const workload = await work.register(through)
      for (const name of at) await work.shown(workload, name)
      return workload
    },
    writersOf: async (role, resource) => [
      ...new Set((await planes.ledWrites(role)).filter((write) => write.resource === resource).map(({ by }) => by)),
    ],
    isFencedThroughout: async (roles = ['global', 'zone']) => {
      for (const role of roles) {
        const writes = await planes.ledWrites(role)
        assert.ok(writes.length > 0)
        assert.deepEqual(
          writes.filter(({ by, leader }) => by !== leader),
          [],
          `${role}: every such write is the leader's`,
        )
        const epochs = writes.map(({ epoch }) => epoch)
        assert.deepEqual(
          epochs,
          epochs.toSorted((a, b) => a - b),
          'epochs only grow',
        )
      }
    },
    logFaults: async (role, at) => {
      const log = await queryChangeLog(role, (statement) => planes.server.query(planes.database(role), statement))
      const faults: Violation[] = log ? [...judgeLog([], log)] : [{ invariant: 'gap-free-log', text: `${role} has no store` }]
      for (const name of at) {
        let report: unknown
        const verify = async (): Promise<boolean> =>
          (report = await getJson(`${planes.api(name)}/_weft/audit/verify`, patienceMs)) !== undefined
        await until(`${name} verifies its chain`, verify, patienceMs)
        if (!isObject(report) || report['ok'] !== true)
          faults.push({ invariant: 'gap-free-log', text: `${name}: ${JSON.stringify(report)}` })
      }
      return faults
    },
  }
  return work
}
