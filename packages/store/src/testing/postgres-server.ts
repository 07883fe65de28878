// A real PostgreSQL for tests: the system's binaries, a data folder of its own, loopback only, gone with the test.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { freePort } from '@weft/foundation/net'
import type { PostgresSettings } from '../postgres/settings.ts'

export interface PostgresServerOptions {
  /** True where a test kills the server and asks what survived; without it nothing waits for the disk. */
  readonly durable?: boolean
  /** Lines of pg_hba.conf instead of one that lets everybody on loopback in. */
  readonly access?: readonly string[]
  /** Lines of postgresql.conf. */
  readonly config?: readonly string[]
  /** PEM files of a server that offers TLS. */
  readonly tls?: { readonly certificate: string; readonly key: string; readonly ca?: string }
  /** Makes it a standby of this one, whose changes it follows; read-only until it is promoted. */
  readonly standbyOf?: PostgresServer
}

export interface PostgresServer {
  readonly port: number
  /** Settings of a connection to a database of this server. */
  settings(database: string): PostgresSettings
  /** Makes an empty database, or a copy of `template`, and returns its name. */
  createDatabase(template?: string): Promise<string>
  /** Opens a connection as superuser; whoever asks ends it. That it is lost says only the next statement. */
  connect(database: string): Promise<pg.Client>
  /** Runs one statement as superuser and returns its rows. */
  query(database: string, statement: string, values?: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]>
  /**
   * Ends the server as a crash does: at once, nothing is flushed, its data stays. SIGKILL does so to its first process alone and leaves the
   * others to find out; SIGINT lets it end in order.
   */
  kill(signal?: 'SIGQUIT' | 'SIGKILL' | 'SIGINT'): Promise<void>
  /** SIGKILL to a process that serves a connection, chosen by a number in [0, 1) as soon as there is one: all others end, the server recovers. */
  killBackend(chosen: number): Promise<void>
  /** Of all its processes; none while it does not run. */
  processIds(): readonly number[]
  /** SIGSTOP to all its processes: connections stay open and nothing answers. */
  freeze(): void
  /** SIGCONT. */
  thaw(): void
  /** Starts it again on the same port with the same data. */
  start(): Promise<void>
  /** Stops it and removes its data. */
  dispose(): Promise<void>
}

const password = 'for tests only'

/** Folder of the newest installed server of at least version 14, or undefined. */
export function findPostgres(): string | undefined {
  const packaged = '/usr/lib/postgresql'
  const versions = existsSync(packaged)
    ? readdirSync(packaged)
        .map(Number)
        .filter((version) => version >= 14)
    : []
  const folders = [
    ...versions.sort((a, b) => b - a).map((version) => join(packaged, String(version), 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ]
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
}

/**
 * Why tests with a server are skipped, or false when there is one. Where CI=true they are never skipped: a missing server fails them.
 */
export function withoutPostgres(): string | false {
  if (findPostgres() !== undefined || process.env['CI'] === 'true') return false
  return 'no PostgreSQL >= 14 on this machine (apt-get install postgresql)'
}

/** Starts a server on a free port of loopback. Throws when none is installed. */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const bin = findPostgres()
  if (bin === undefined) throw new Error('PostgreSQL >= 14 is not installed: apt-get install postgresql')
  const dir = mkdtempSync(join(tmpdir(), 'weft-postgres-'))
  // the server refuses to run as root
  const user = serverUser()
  const own = (path: string): void => {
    if (user) chownSync(path, user.uid, user.gid)
  }
  own(dir)
  const data = join(dir, 'data')
  writeFileSync(join(dir, 'password'), password)
  own(join(dir, 'password'))
  const run = (program: string, args: readonly string[]): void =>
    void execFileSync(join(bin, program), args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: dir, ...user })
  if (options.standbyOf) {
    const from = ['-h', '127.0.0.1', '-p', String(options.standbyOf.port), '-U', 'weft']
    run('pg_basebackup', ['-D', data, ...from, '--write-recovery-conf', '--checkpoint=fast', '--no-sync'])
  } else {
    const made = ['-U', 'weft', '-E', 'UTF8', '--locale=C', '-A', 'trust', '--pwfile', join(dir, 'password')]
    run('initdb', ['-D', data, ...made, '--no-sync', '--no-instructions'])
    writeConfig(data, dir, options, own)
  }
  let child: ChildProcess | undefined
  let port = await freePort()
  const start = async (): Promise<void> => {
    for (;;) {
      try {
        child = await launch({ bin, data, port, user })
        return
      } catch (error) {
        // processes of a killed server that have not found out yet
        if (!/shared memory block .* is still in use/.test(String(error))) throw error
        await delay(20)
      }
    }
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      await start()
      break
    } catch (error) {
      if (attempt === 5) throw error
      // another process took the port between the look and the start
      port = await freePort()
    }
  }
  const signalAll = (signal: NodeJS.Signals): void => {
    const first = child?.pid
    if (first === undefined) return
    // the first one first: it could start others
    sendTo(first, signal)
    for (const { pid } of childrenOf(first)) sendTo(pid, signal)
  }
  const stop = async (signal: NodeJS.Signals = 'SIGQUIT'): Promise<void> => {
    const running = child
    child = undefined
    if (!running || running.exitCode !== null || running.signalCode !== null) return
    const exited = once(running, 'exit')
    running.kill(signal)
    await exited
  }
  // patient, because a loaded machine must not fail a test
  const settings = (database: string): PostgresSettings => ({
    host: '127.0.0.1',
    port,
    user: 'weft',
    password,
    database,
    connectTimeoutMs: 120_000,
    statementTimeoutMs: 120_000,
  })
  const connect = async (database: string): Promise<pg.Client> => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'weft', password, database })
    client.on('error', () => {})
    await client.connect()
    return client
  }
  const query: PostgresServer['query'] = async (database, statement, values = []) => {
    const client = await connect(database)
    try {
      const result = await client.query<Readonly<Record<string, unknown>>>(statement, [...values])
      return result.rows
    } finally {
      await client.end()
    }
  }
  let made = 0
  return {
    get port() {
      return port
    },
    settings,
    createDatabase: async (template = 'template0') => {
      made += 1
      const name = `test_${made}`
      await query('postgres', `CREATE DATABASE ${name} TEMPLATE ${template}`)
      return name
    },
    connect,
    query,
    kill: stop,
    killBackend: async (chosen) => {
      for (;;) {
        // asked of the system, because the server takes no connection while it recovers from the last one
        const backends = childrenOf(child?.pid ?? 0).filter(({ title }) => / 127\.0\.0\.1\(\d+\)/.test(title))
        const victim = backends[Math.floor(chosen * backends.length)]
        if (victim && sendTo(victim.pid, 'SIGKILL')) return
        await delay(20)
      }
    },
    start,
    processIds: () => (child?.pid === undefined ? [] : [child.pid, ...childrenOf(child.pid).map(({ pid }) => pid)]),
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    dispose: async () => {
      signalAll('SIGCONT')
      await stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** False when the process has ended meanwhile. */
function sendTo(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false
    throw error
  }
}

function childrenOf(parent: number): readonly { readonly pid: number; readonly title: string }[] {
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => {
      const [, pid, of, title = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
      return Number(of) === parent ? [{ pid: Number(pid), title }] : []
    })
}

export interface User {
  readonly uid: number
  readonly gid: number
}

/** Whom servers that refuse to be root run as; undefined: as whoever runs the tests. */
export function serverUser(): User | undefined {
  return process.getuid?.() === 0 ? unprivilegedUser() : undefined
}

function unprivilegedUser(): User {
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
      return { uid: id('-u'), gid: id('-g') }
    } catch {
      // no such user
    }
  }
  throw new Error('PostgreSQL does not run as root and there is no user postgres or nobody')
}

function writeConfig(data: string, dir: string, options: PostgresServerOptions, own: (path: string) => void): void {
  const lines = [
    `unix_socket_directories = ''`,
    `listen_addresses = '127.0.0.1'`,
    'max_connections = 200',
    'shared_buffers = 16MB',
    'autovacuum = off',
    ...(options.durable ? [] : ['fsync = off', 'full_page_writes = off', 'synchronous_commit = off']),
    ...(options.config ?? []),
  ]
  if (options.tls) {
    const file = (name: string, content: string): string => {
      const path = join(dir, name)
      writeFileSync(path, content, { mode: 0o600 })
      own(path)
      return path
    }
    lines.push(
      'ssl = on',
      `ssl_cert_file = '${file('server.crt', options.tls.certificate)}'`,
      `ssl_key_file = '${file('server.key', options.tls.key)}'`,
    )
    if (options.tls.ca !== undefined) lines.push(`ssl_ca_file = '${file('ca.crt', options.tls.ca)}'`)
  }
  if (options.access) writeFileSync(join(data, 'pg_hba.conf'), `${options.access.join('\n')}\n`)
  writeFileSync(join(data, 'postgresql.auto.conf'), `${lines.join('\n')}\n`)
}

interface Launch {
  readonly bin: string
  readonly data: string
  readonly port: number
  readonly user: User | undefined
}

/** Starts the process and waits until it says that it takes connections. */
async function launch({ bin, data, port, user }: Launch): Promise<ChildProcess> {
  const child = spawn(join(bin, 'postgres'), ['-D', data, '-p', String(port)], { stdio: ['ignore', 'ignore', 'pipe'], cwd: data, ...user })
  const lines: string[] = []
  const ready = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`PostgreSQL ended at its start:\n${lines.slice(-10).join('\n')}`)))
    if (!child.stderr) return
    // read to the end, also when nobody waits any more: a full pipe would stop the server
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (lines.push(line) > 100) lines.shift()
      if (/ready to accept (read-only )?connections/.test(line)) resolve()
    })
  })
  const stopWithUs = (): void => void child.kill('SIGQUIT')
  process.once('exit', stopWithUs)
  child.once('exit', () => process.removeListener('exit', stopWithUs))
  await ready
  return child
}
