// A real PgBouncer for tests, in transaction mode: sessions of the server are handed from one client to the next after each transaction.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '@weft/foundation/net'
import { type PostgresServer, serverUser, withoutPostgres } from './postgres-server.ts'

export interface PgBouncer extends AsyncDisposable {
  readonly port: number
}

/** The program, or undefined. */
function findPgbouncer(): string | undefined {
  return [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']
    .map((folder) => join(folder, 'pgbouncer'))
    .find((file) => existsSync(file))
}

/** Why tests with a pooler are skipped, or false. Where CI=true they never are. */
export function withoutPgbouncer(): string | false {
  const missing = withoutPostgres()
  if (missing !== false || findPgbouncer() !== undefined || process.env['CI'] === 'true') return missing
  return 'no PgBouncer on this machine (apt-get install pgbouncer)'
}

/** Starts one in front of a server, with `sessions` sessions for each database. */
export async function startPgbouncer(server: PostgresServer, sessions: number): Promise<PgBouncer> {
  const program = findPgbouncer()
  if (program === undefined) throw new Error('PgBouncer is not installed: apt-get install pgbouncer')
  const dir = mkdtempSync(join(tmpdir(), 'weft-pgbouncer-'))
  // it refuses to run as root
  const user = serverUser()
  const file = (name: string, lines: readonly string[]): string => {
    const path = join(dir, name)
    writeFileSync(path, `${lines.join('\n')}\n`)
    return path
  }
  const users = file('users', [`"${server.settings('').user}" "${server.settings('').password}"`])
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort()
    const config = file('pgbouncer.ini', [
      '[databases]',
      `* = host=127.0.0.1 port=${server.port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = trust',
      `auth_file = ${users}`,
      'pool_mode = transaction',
      `default_pool_size = ${sessions}`,
    ])
    if (user) for (const path of [dir, users, config]) chownSync(path, user.uid, user.gid)
    const child = spawn(program, [config], { stdio: ['ignore', 'ignore', 'pipe'], cwd: dir, ...user })
    if (await isUp(child)) return pooler(child, port, dir)
    // another process took the port between the look and the start
    if (attempt === 5) throw new Error('PgBouncer does not start')
  }
}

async function isUp(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve(false))
    child.once('error', () => resolve(false))
    if (!child.stderr) return
    // read to the end: a full pipe would stop it
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.includes('process up')) resolve(true)
    })
  })
}

function pooler(child: ChildProcess, port: number, dir: string): PgBouncer {
  const endWithUs = (): void => void child.kill('SIGKILL')
  process.once('exit', endWithUs)
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      process.removeListener('exit', endWithUs)
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit')
        child.kill('SIGKILL')
        await exited
      }
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
