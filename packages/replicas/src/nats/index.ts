// Replicas by NATS; loads its client.
export { createNatsAnnouncer, type NatsAnnouncer, type NatsAnnouncerOptions } from './announcer.ts'
export { createNatsLink, type NatsLink, type NatsLinkOptions } from './nats-link.ts'
export { createNatsRequestPath, type NatsRequestPath, type NatsRequestPathOptions } from './request-path.ts'
