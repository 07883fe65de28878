// One proxy from start to stop. The order of the stop matters: readiness falls, Envoy fails its health check (the zone hears of it),
// connections drain, Envoy ends.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { startAccessLogPipe } from './access-log-pipe.ts'
import { fetchBootstrap } from './bootstrap.ts'
import { type GivenDataplane, readDataplane } from './dataplane-resource.ts'
import type { DnsProxy } from './dns/dns-proxy.ts'
import { defaultDnsPort, type DnsSettings, startDns } from './dns/start-dns.ts'
import { followDynamicConfig } from './dynamic-config.ts'
import { adminRequest, envoyVersion, findEnvoyBinary, startEnvoy } from './envoy-process.ts'
import type { MetricSources } from './metric-collection.ts'
import { labelled, parseMetrics } from './metric-text.ts'
import { startMetricsEndpoint } from './metrics-endpoint.ts'
import { createMetricExports } from './otel/metric-exports.ts'
import { createOtelConfig } from './otel/otel-config.ts'
import { type OtlpEnv, otlpInventory, readOtlpEnv } from './otel/otlp-env.ts'
import { startReadiness } from './readiness.ts'
import { accessLogPipe, dynamicConfigSocket, metricsSocket } from './sockets.ts'
import { systemCaPath } from './system-ca.ts'
import { readTransparentProxy, type TransparentProxyConfig } from './transparent-proxy.ts'

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
  /** Files that say how traffic is redirected; later ones count over earlier ones. */
  readonly transparentProxyFiles: readonly string[]
  /** Traffic is redirected as it is by default. */
  readonly transparentProxy: boolean
  /** Listeners of outbounds bind their addresses, although traffic is redirected. */
  readonly bindOutbounds: boolean
  readonly dns: DnsSettings
}

/** Said to the control plane and to collectors. */
const version = '3.0.0-preview.weft'
/** Names of the mesh resolve before the proxy is ready, but one that never hears of them is ready all the same after this. */
const longestDnsWaitMs = 15_000

/** Runs until Envoy ends or a signal came and the drain is over. Resolves with the exit code. */
export async function runDataplane(options: DataplaneOptions, log: Logger): Promise<number> {
  await using opened = new AsyncDisposableStack()
  const resource = await readDataplane(options)
  const name = options.name ?? resource?.name
  if (!name) throw new AppError('cli/usage', 'name the dataplane with --name, or give its resource with --dataplane-file')
  const mesh = resource?.mesh ?? options.mesh
  const envoyBinary = findEnvoyBinary(options.envoyBinary)
  const envoyBuild = await envoyVersion(envoyBinary)
  const token = await readToken(options)
  if (token) checkToken(token)
  const transparentProxy = await readTransparentProxy(options.transparentProxyFiles, options.transparentProxy)
  const workDir = await makeWorkDir(options.workDir, opened)

  const stop = new AbortController()
  const onSignal = (): void => {
    if (stop.signal.aborted) process.exit(1)
    stop.abort()
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onSignal)
  const redirectedPort = redirectedDnsPort(options, transparentProxy, resource)
  const dns = await startDns(options.dns, { redirectedPort, isZoneProxy: resource?.isZoneProxy === true, clock: systemClock, log })
  if (dns) opened.defer(() => dns.close())
  const socket = join(workDir, 'kuma-envoy-admin.sock')
  const readiness = await startReadiness(
    options.readinessPort,
    socket,
    dns && redirectedPort !== undefined ? namesAwaited(dns, log) : undefined,
  )
  opened.defer(() => readiness.close())

  log.info({ component: 'dp', mesh, proxy: name, cp: options.cpAddress }, 'asking for the bootstrap')
  const otlpEnv = readOtlpEnv(process.env)
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
        kumaDp: { version, gitTag: '', gitCommit: '', buildDate: '' },
        envoy: { ...envoyBuild, kumaDpCompatible: true },
      },
      dynamicMetadata: {},
      otelEnv: otlpInventory(otlpEnv),
      dnsPort: dns?.port ?? 0,
      readinessPort: options.readinessPort,
      operatingSystem: process.platform,
      systemCaPath: systemCaPath(),
      features: featuresOf(options, transparentProxy),
      workdir: workDir,
      ...(transparentProxy ? { dataplaneConfig: transparentProxy } : {}),
    },
  })
  if (stop.signal.aborted || bootstrap === undefined) return 0
  const applicationAddress = bootstrap.address || '127.0.0.1'
  const sources: MetricSources = { adminSocket: socket, applicationAddress, own: () => ownMetrics(dns), log }
  await startHelpers({ name, mesh, workDir, dns, sources, otlpEnv, opened, log })
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
}

/** The folder given, else a temporary one that goes at the end. */
async function makeWorkDir(given: string | undefined, opened: AsyncDisposableStack): Promise<string> {
  if (given !== undefined) {
    const workDir = resolve(given)
    await mkdir(workDir, { recursive: true })
    return workDir
  }
  const workDir = await mkdtemp(join(tmpdir(), 'weft-dp-'))
  opened.defer(() => rm(workDir, { recursive: true, force: true }))
  return workDir
}

/** Where queries of this host are redirected to; undefined when they are not. */
function redirectedDnsPort(
  { dns }: DataplaneOptions,
  transparentProxy: TransparentProxyConfig | undefined,
  resource: GivenDataplane | undefined,
): number | undefined {
  if (transparentProxy !== undefined) return transparentProxy.redirect.dns.enabled ? transparentProxy.redirect.dns.port : undefined
  return resource?.redirectsDns === true ? (dns.port ?? defaultDnsPort) : undefined
}

/** True while the proxy is not ready because names of the mesh would not resolve yet. */
function namesAwaited(dns: DnsProxy, log: Logger): () => boolean {
  const deadline = systemClock.monotonic() + longestDnsWaitMs
  let isGivenUp = false
  return () => {
    if (dns.isConfigured || isGivenUp) return false
    if (systemClock.monotonic() < deadline) return true
    isGivenUp = true
    log.warn({ component: 'dp.dns', ms: longestDnsWaitMs }, 'no names of the mesh yet; the proxy no longer waits for them')
    return false
  }
}

function featuresOf({ bindOutbounds }: DataplaneOptions, transparentProxy: TransparentProxyConfig | undefined): readonly string[] {
  return [
    'feature-strict-inbound-ports',
    'feature-reuse-port',
    'feature-weft-ingress-probe',
    'feature-tcp-accesslog-via-named-pipe',
    'feature-otel-via-kuma-dp',
    ...(transparentProxy ? ['feature-transparent-proxy-in-dataplane-metadata'] : []),
    ...(bindOutbounds ? ['feature-bind-outbounds', 'feature-weft-bound-names'] : []),
  ]
}

async function ownMetrics(dns: DnsProxy | undefined): Promise<ReturnType<typeof parseMetrics>> {
  if (dns === undefined) return []
  const families = parseMetrics(await dns.metrics())
  return families.map((family) => labelled(family, dns.labels))
}

interface Helpers {
  readonly name: string
  readonly mesh: string
  readonly workDir: string
  readonly dns: DnsProxy | undefined
  readonly sources: MetricSources
  readonly otlpEnv: OtlpEnv
  readonly opened: AsyncDisposableStack
  readonly log: Logger
}

/** What Envoy needs beside it: log lines for servers, metrics, and what the control plane tells the launcher. */
async function startHelpers({ name, mesh, workDir, dns, sources, otlpEnv, opened, log }: Helpers): Promise<void> {
  const accessLog = startAccessLogPipe(accessLogPipe(workDir, name, mesh), { log, clock: systemClock })
  opened.defer(() => accessLog.close())
  const dynamicConfig = dynamicConfigSocket(workDir)
  const metrics = await startMetricsEndpoint({
    ...sources,
    socketPath: metricsSocket(workDir, name, mesh),
    dynamicConfigSocket: dynamicConfig,
  })
  opened.defer(() => metrics.close())
  // names outlive what tells them: a listener that Envoy takes away for a moment must not cost the applications their names
  const names = dns ? [{ path: '/dns', onConfig: (config: unknown) => dns.configure(config), onGone: () => {} }] : []
  const exports = createMetricExports({ sources, instance: `${mesh}.${name}`, version, clock: systemClock, log })
  opened.defer(() => exports.close())
  const hostIp = process.env['HOST_IP'] || '127.0.0.1'
  const otel = createOtelConfig({ workDir, env: otlpEnv, hostIp, metrics: exports, clock: systemClock, log })
  opened.defer(() => otel.close())
  const paths = [
    ...names,
    { path: '/meshmetric', onConfig: exports.configure, onGone: () => exports.configure(undefined) },
    { path: '/otel', onConfig: otel.configure, onGone: () => otel.configure(undefined) },
  ]
  const followed = followDynamicConfig({ socketPath: dynamicConfig, paths, clock: systemClock, log })
  opened.defer(() => followed.close())
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

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((done) => {
    if (signal.aborted) done(undefined)
    else signal.addEventListener('abort', () => done(undefined), { once: true })
  })
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms))
}
