export { answerOf, checkSize, maxBodyBytes, readAnswer } from './answer.ts'
export type {
  Announcer,
  Holding,
  Lease,
  LeaseState,
  LeaseTerm,
  Leases,
  Member,
  Presence,
  Replicas,
  RequestHandler,
  RequestPath,
  ReplicaRequest,
} from './contract.ts'
export { createReplicas, type ReplicasOptions } from './create-replicas.ts'
export { type Alone, createAlone } from './in-process.ts'
export { createInterCpPath, type InterCpPath, type InterCpPathOptions } from './inter-cp/inter-cp-path.ts'
export type { ReplicaCertificates, ReplicaTls } from './inter-cp/inter-cp-tls.ts'
export { joinPresence, tellLiving } from './joined-presence.ts'
export { createLedStore } from './led-store.ts'
export { createLeases, type LeasesComponent, type LeasesOptions } from './leases.ts'
export { checkNatsSettings, type NatsSettings } from './nats/settings.ts'
export { checkRedisSettings, type RedisSettings } from './redis/settings.ts'
export { instanceTable } from './store-instances.ts'
export { createTablePresence, type InstanceTable, type TablePresence, type TablePresenceOptions } from './table-presence.ts'
export { whileLeading, type WhileLeadingOptions } from './while-leading.ts'
export { createTopics, type Topics } from './topics.ts'
