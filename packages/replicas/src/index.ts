export type {
  Announcer,
  Holding,
  Lease,
  LeaseTerm,
  Leases,
  Member,
  Presence,
  Replicas,
  RequestHandler,
  RequestPath,
  ReplicaRequest,
} from './contract.ts'
