// A real Redis for tests. It keeps nothing on disk, so a restart is one that comes back empty.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ServerProcess, startServerProcess, without } from './server-process.ts'

export interface RedisServer extends ServerProcess, AsyncDisposable {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string
}

/** Why tests with Redis are skipped, or false. */
export function withoutRedis(): string | false {
  return without('redis-server')
}

/** Starts one; `args` are more options of its command line. */
export async function startRedis(args: readonly string[] = []): Promise<RedisServer> {
  const dir = mkdtempSync(join(tmpdir(), 'weft-redis-'))
  const server = await startServerProcess({
    program: 'redis-server',
    package: 'redis-server',
    args: (port) => ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no', ...args],
    cwd: dir,
    isReady: (line) => line.includes('Ready to accept connections'),
  })
  return {
    ...server,
    url: `redis://127.0.0.1:${server.port}`,
    [Symbol.asyncDispose]: async () => {
      await server.kill()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
