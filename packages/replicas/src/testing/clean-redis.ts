// One Redis for a suite of tests, empty at the start of each.
import { after, before, beforeEach } from 'node:test'
import { Redis } from 'ioredis'
import { type RedisServer, startRedis } from './redis-server.ts'

export interface CleanRedis {
  readonly url: string
  /** A client of its own, to look and to meddle. */
  readonly raw: Redis
}

/** To be called in `describe`: starts with the suite and ends with it. */
export function cleanRedis(): CleanRedis {
  let server: RedisServer
  let raw: Redis
  before(async () => {
    server = await startRedis()
    raw = new Redis(server.url)
  })
  beforeEach(() => raw.flushall())
  after(async () => {
    raw.disconnect()
    await server[Symbol.asyncDispose]()
  })
  return {
    get url() {
      return server.url
    },
    get raw() {
      return raw
    },
  }
}
