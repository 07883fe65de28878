// One proxy from start to stop. The order of the stop matters: readiness falls, Envoy fails its health check (the zone hears of it),
// connections drain, Envoy ends.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { type AccessLogPipe, startAccessLogPipe } from './access-log-pipe.ts'
import { fetchBootstrap } from './bootstrap.ts'
import { readDataplane } from './dataplane-resource.ts'
import { adminRequest, envoyVersion, findEnvoyBinary, startEnvoy } from './envoy-process.ts'
import { type MetricsEndpoint, startMetricsEndpoint } from './metrics-endpoint.ts'
import { startReadiness } from './readiness.ts'
import { accessLogPipe, dynamicConfigSocket, metricsSocket } from './sockets.ts'
import { systemCaPath } from './system-ca.ts'

export interface DataplaneOptions {
  readonly cpAddress: string
  readonly caCertFile: string | undefined
  readonly skipVerify: boolean
  readonly mesh: string
  readonly name: string | undefined
  readonly proxyType: string
  readonly dataplaneFile: string | undefined
  readonly dataplane: string | undefined
  readonly variables: ReadonlyMap<string, string>
  readonly token: string | undefined
  readonly tokenFile: string | undefined
  readonly envoyBinary: string | undefined
  readonly workDir: string | undefined
  readonly concurrency: string | undefined
  readonly drainMs: number
  readonly readinessPort: number
  readonly transparentProxyConfig: string | undefined
}

/** Runs until Envoy ends or a signal came and the drain is over. Resolves with the exit code. */
export async function runDataplane(options: DataplaneOptions, log: Logger): Promise<number> {
  const resource = await readDataplane(options)
  const name = options.name ?? resource?.name
  if (!name) throw new AppError('cli/usage', 'name the dataplane with --name, or give its resource with --dataplane-file')
  const mesh = resource?.mesh ?? options.mesh
  const envoyBinary = findEnvoyBinary(options.envoyBinary)
  const version = await envoyVersion(envoyBinary)
  const temporary = options.workDir === undefined
  const workDir = temporary ? await mkdtemp(join(tmpdir(), 'weft-dp-')) : resolve(options.workDir ?? '')
  await mkdir(workDir, { recursive: true })
  const token = await readToken(options)
  if (token) checkToken(token)

  const stop = new AbortController()
  const onSignal = (): void => {
    if (stop.signal.aborted) process.exit(1)
    stop.abort()
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onSignal)
  const socket = join(workDir, 'kuma-envoy-admin.sock')
  const readiness = await startReadiness(options.readinessPort, socket)
  let accessLog: AccessLogPipe | undefined
  let metrics: MetricsEndpoint | undefined
  try {
    log.info({ component: 'dp', mesh, proxy: name, cp: options.cpAddress }, 'asking for the bootstrap')
    const bootstrap = await fetchBootstrap({
      cpAddress: options.cpAddress,
      ca: options.caCertFile ? await readFile(options.caCertFile, 'utf8') : undefined,
      skipVerify: options.skipVerify,
      signal: stop.signal,
      log,
      request: {
        mesh,
        name,
        proxyType: options.proxyType,
        dataplaneToken: token,
        ...(options.tokenFile ? { dataplaneTokenPath: resolve(options.tokenFile) } : {}),
        ...(resource ? { dataplaneResource: resource.json } : {}),
        version: {
          kumaDp: { version: '3.0.0-preview.weft', gitTag: '', gitCommit: '', buildDate: '' },
          envoy: { ...version, kumaDpCompatible: true },
        },
        dynamicMetadata: {},
        dnsPort: 0,
        readinessPort: options.readinessPort,
        operatingSystem: process.platform,
        systemCaPath: systemCaPath(),
        features: [
          'feature-strict-inbound-ports',
          'feature-reuse-port',
          'feature-weft-ingress-probe',
          'feature-tcp-accesslog-via-named-pipe',
          ...(options.transparentProxyConfig ? ['feature-transparent-proxy-in-dataplane-metadata'] : []),
        ],
        workdir: workDir,
        ...(await transparentProxy(options.transparentProxyConfig)),
      },
    })
    if (stop.signal.aborted || bootstrap === undefined) return 0
    accessLog = startAccessLogPipe(accessLogPipe(workDir, name, mesh), { log, clock: systemClock })
    metrics = await startMetricsEndpoint({
      socketPath: metricsSocket(workDir, name, mesh),
      dynamicConfigSocket: dynamicConfigSocket(workDir),
      adminSocket: socket,
      applicationAddress: bootstrap.address || '127.0.0.1',
      log,
    })
    const file = join(workDir, 'bootstrap.yaml')
    await writeFile(file, bootstrap.text, { mode: 0o600 })
    const envoy = startEnvoy({ binary: envoyBinary, bootstrapFile: file, concurrency: options.concurrency, drainMs: options.drainMs, log })
    log.info({ component: 'dp', proxy: name, pid: envoy.pid }, 'Envoy started')
    const ended = await Promise.race([envoy.ended, aborted(stop.signal)])
    if (ended !== undefined) {
      log.error({ component: 'dp', code: ended }, 'Envoy ended on its own')
      return ended === 0 ? 1 : ended
    }
    readiness.terminating()
    log.info({ component: 'dp', ms: options.drainMs }, 'draining')
    await adminRequest(socket, 'POST', '/healthcheck/fail').catch((error: unknown) =>
      log.warn({ component: 'dp', err: messageOf(error) }, 'could not fail the health check'),
    )
    await Promise.race([envoy.ended, pause(options.drainMs)])
    await envoy.stop()
    return 0
  } finally {
    await readiness.close()
    await metrics?.close()
    await accessLog?.close()
    if (temporary) await rm(workDir, { recursive: true, force: true })
  }
}

async function readToken(options: DataplaneOptions): Promise<string | undefined> {
  if (options.token) return options.token.trim()
  if (!options.tokenFile) return undefined
  try {
    return (await readFile(options.tokenFile, 'utf8')).trim()
  } catch (error) {
    throw new AppError('config/unreadable', `cannot read the token file ${options.tokenFile}: ${messageOf(error)}`, { cause: error })
  }
}

/** A file that is no token at all is reported before anything connects; the signature is the zone's matter. */
function checkToken(token: string): void {
  if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token))
    throw new AppError('token/invalid', 'the dataplane token is not a JWT; make one with `weft generate dataplane-token`')
}

async function transparentProxy(file: string | undefined): Promise<object> {
  if (!file) return {}
  const { parse } = await import('yaml')
  const raw: unknown = parse(await readFile(file, 'utf8'))
  return { transparentProxy: raw }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((done) => {
    if (signal.aborted) done(undefined)
    else signal.addEventListener('abort', () => done(undefined), { once: true })
  })
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms))
}
