// The Envoy child process: where it is, which version, how it starts and stops, and calls to its admin socket.
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { request } from 'node:http'
import { delimiter, join } from 'node:path'
import { AppError } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'

/** The binary given, else ENVOY_PATH, else `envoy` on PATH. */
export function findEnvoyBinary(given: string | undefined): string {
  const named = given && given !== 'envoy' ? given : process.env['ENVOY_PATH']
  const candidates = named ? [named] : (process.env['PATH'] ?? '').split(delimiter).map((dir) => join(dir, 'envoy'))
  const found = candidates.find((path) => isExecutable(path))
  if (!found)
    throw new AppError(
      'process/envoy-missing',
      named ? `no Envoy binary at ${named}` : 'no envoy on PATH; name one with --binary-path or ENVOY_PATH',
    )
  return found
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Version and build from `envoy --version`, whose answer has five parts between slashes. */
export async function envoyVersion(binary: string): Promise<{ readonly version: string; readonly build: string }> {
  const done = spawnSync(binary, ['--version'], { encoding: 'utf8' })
  const build = /version:\s*(\S+)/.exec(done.stdout ?? '')?.[1]
  const version = build?.split('/')[1]
  if (!build || !version) throw new AppError('process/envoy-missing', `${binary} does not answer --version like Envoy`)
  return { version, build }
}

export interface EnvoyStart {
  readonly binary: string
  readonly bootstrapFile: string
  readonly concurrency: string | undefined
  readonly drainMs: number
  readonly log: Logger
}

export interface EnvoyProcess {
  readonly pid: number | undefined
  /** Resolves with the exit code once the process is gone. */
  readonly ended: Promise<number>
  /** SIGTERM, then SIGKILL after five seconds. */
  stop(): Promise<void>
}

/** Starts Envoy with the flags kuma-dp uses (contract/dataplane.md section 4). It dies with this process. */
export function startEnvoy(start: EnvoyStart): EnvoyProcess {
  const args = [
    '--config-path',
    start.bootstrapFile,
    '--drain-time-s',
    String(Math.ceil(start.drainMs / 1000)),
    '--drain-strategy',
    'immediate',
    '--disable-hot-restart',
    '--log-level',
    'warning',
  ]
  if (start.concurrency) args.push('--concurrency', start.concurrency)
  const child = spawn(start.binary, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  const kill = (): boolean => child.kill('SIGKILL')
  process.once('exit', kill)
  const ended = new Promise<number>((done) => {
    child.on('error', (error) => {
      start.log.error({ component: 'dp.envoy', err: error.message }, 'cannot start Envoy')
      done(127)
    })
    child.on('exit', (code, signal) => {
      process.removeListener('exit', kill)
      done(code ?? (signal ? 1 : 0))
    })
  })
  return {
    pid: child.pid,
    ended,
    stop: async () => {
      child.kill('SIGTERM')
      const forced = setTimeout(kill, 5000)
      await ended
      clearTimeout(forced)
    },
  }
}

/** One request to Envoy's admin interface on its Unix socket. Rejects on errors and statuses of 400 and above. */
export function adminRequest(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((done, fail) => {
    const sent = request({ socketPath, method, path, timeout: 3000, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', fail)
      response.on('end', () => done({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }))
    })
    sent.on('timeout', () => sent.destroy(new Error(`no answer to ${path} within 3 s`)))
    sent.on('error', fail)
    sent.end()
  })
}
