// Replicas by Redis; loads its client.
export { createRedisPresence, type RedisPresence, type RedisPresenceOptions } from './presence.ts'
export { createRedisLink, type RedisLink, type RedisLinkOptions } from './redis-link.ts'
