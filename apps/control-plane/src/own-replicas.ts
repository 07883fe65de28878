// The replicas of this control plane: nobody but this process on a store of its own, everyone on the database with a shared one.
import type { Tally } from '@weft/foundation/budget'
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'
import { holderOf } from '@weft/insights'
import { sessionReplica } from '@weft/kds'
import {
  createAlone,
  createInterCpPath,
  createReplicas,
  createTablePresence,
  type Holding,
  instanceTable,
  type Leases,
  type Member,
  type Replicas,
} from '@weft/replicas'
import type { Store } from '@weft/store'
import { networkInterfaces } from 'node:os'
import type { ControlPlaneConfig } from './config.ts'
import type { ReplicaServers } from './replica-servers.ts'
import { followReplicaTls } from './replica-tls.ts'

export interface OwnReplicas {
  readonly replicas: Replicas
  /** Other processes may share the store. */
  readonly isShared: boolean
  /** Whether a replica, this one too, lives as far as is known. */
  isLiving(instanceId: string): boolean
  /** Where replicas share their budgets; absent where each counts alone. */
  readonly tally?: Tally
  readonly component: Component
}

export interface OwnReplicasNeeds {
  readonly config: ControlPlaneConfig
  readonly store: Store
  readonly self: Member
  readonly leases: Leases
  /** More ways between replicas on a database. */
  readonly servers: ReplicaServers
  readonly clock: Clock
  readonly log: Logger
}

/** This process as others reach it; without an address when nobody shares its store. */
export function ownMember({ store, interCp: { catalog, server } }: ControlPlaneConfig, instanceId: string): Member {
  if (store.type !== 'postgres') return { instanceId }
  return { instanceId, address: { host: catalog.instanceAddress || ownAddress(), port: server.port } }
}

/** Nothing listens before the component starts. Errors: identity/invalid-ca, store/... */
export async function createOwnReplicas(needs: OwnReplicasNeeds): Promise<OwnReplicas> {
  const { config, store, self, leases, clock } = needs
  const { instanceId } = self
  const log = needs.log.child({ component: 'replicas' })
  const holder = (holding: Holding): string | undefined => holderInStore(store, holding)
  if (config.store.type !== 'postgres') {
    const { announcer, presence, path } = createAlone()
    const replicas = createReplicas({ self, announcer, presence, paths: [path], leases, holder, clock, log, close: async () => {} })
    return {
      replicas,
      isShared: false,
      isLiving: (id) => id === instanceId,
      component: { name: 'replicas', start: async () => {}, stop: () => replicas.stop() },
    }
  }
  const beatMs = config.interCp.catalog.heartbeatInterval
  const table = createTablePresence({ table: instanceTable(store.leases), self, clock, log, beatMs })
  const tls = await followReplicaTls({ store, clock, log, instanceId })
  const servers = needs.servers.join({ store, self, table })
  const { presence } = servers
  const path = createInterCpPath({
    host: '0.0.0.0',
    port: config.interCp.server.port,
    tls,
    clock,
    log,
    member: (id) => presence.members().find((member) => member.instanceId === id),
  })
  presence.onMissing((member) => path.forget(member.instanceId))
  const replicas = createReplicas({
    self,
    announcer: servers.announcer ?? createAlone().announcer,
    presence,
    paths: [...servers.paths, path],
    leases,
    holder,
    clock,
    log,
    close: async () => {
      await servers.stop()
      await table.stop()
      await path.close()
      tls.close()
    },
  })
  return {
    replicas,
    isShared: true,
    isLiving: table.isLiving,
    ...(servers.tally ? { tally: servers.tally } : {}),
    component: {
      name: 'replicas',
      start: async () => {
        const port = await path.listen()
        await table.start()
        servers.start()
        log.info({ port, address: self.address?.host }, 'inter-cp port listens')
      },
      stop: () => replicas.stop(),
    },
  }
}

/** Whether an insight says that some replica serves the proxy (`mesh/name`). */
export function isProxyHeld(store: Store, proxyKey: string): boolean {
  const [mesh = '', name = ''] = proxyKey.split('/')
  return holderInStore(store, `proxy/${mesh}/${name}`) !== undefined
}

/** Who has the session of a zone, or whom the insight of a zone or a proxy names. */
function holderInStore(store: Store, holding: Holding): string | undefined {
  const [kind, first = '', name = ''] = holding.split('/')
  const session = kind === 'zone' ? sessionReplica(store, first) : undefined
  if (session !== undefined) return session
  const key = kind === 'zone' ? { type: 'ZoneInsight', mesh: '', name: first } : { type: 'DataplaneInsight', mesh: first, name }
  return holderOf(store.get(key)?.spec)
}

/** An address of this host by which others may reach it; loopback when it has no other: then replicas on this host do. */
function ownAddress(): string {
  const found = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ internal }) => !internal)
  return (found.find(({ family }) => family === 'IPv4') ?? found[0])?.address ?? '127.0.0.1'
}
