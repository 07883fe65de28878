// A real NATS server for tests.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ServerProcess, startServerProcess, without } from './server-process.ts'

export interface NatsServer extends ServerProcess, AsyncDisposable {
  /** `nats://127.0.0.1:<port>` */
  readonly url: string
}

/** Why tests with NATS are skipped, or false. */
export function withoutNats(): string | false {
  return without('nats-server')
}

/** Starts one; `config` is text of its configuration file, and files lie beside it. */
export async function startNats(config = '', files: Readonly<Record<string, string>> = {}): Promise<NatsServer> {
  const dir = mkdtempSync(join(tmpdir(), 'weft-nats-'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
  const file = join(dir, 'server.conf')
  writeFileSync(file, config)
  const server = await startServerProcess({
    program: 'nats-server',
    package: 'nats-server',
    args: (port) => ['-c', file, '-a', '127.0.0.1', '-p', String(port)],
    cwd: dir,
    isReady: (line) => line.includes('Server is ready'),
  })
  return {
    ...server,
    url: `nats://127.0.0.1:${server.port}`,
    [Symbol.asyncDispose]: async () => {
      await server.kill()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
