// Replicas by Redis; loads its client.
export { createRedisTally, type RedisTallyOptions } from './budget-tally.ts'
export { createRedisPresence, type RedisPresence, type RedisPresenceOptions } from './presence.ts'
export { createRedisLink, type RedisLink, type RedisLinkOptions } from './redis-link.ts'
