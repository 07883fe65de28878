// A standalone zone control plane with real proxies and services, for tests of traffic.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createProcesses, type Processes } from '../../apps/demo/src/processes.ts'
import { http, put, until } from '../../apps/demo/src/rest.ts'
import { type Service, startService } from '../../apps/demo/src/services.ts'
import { isPortFree } from '../../packages/foundation/src/net/index.ts'
import { root } from '../../tools/run-command.ts'
import { launchProxy } from './launch-proxy.ts'

export interface TestZone extends AsyncDisposable {
  readonly api: string
  /** `host:port` of the dataplane server. */
  readonly dataplaneServer: string
  /** URL of monitoring assignment discovery. */
  readonly monitoring: string
  readonly processes: Processes
  put(path: string, resource: object): Promise<void>
  remove(path: string): Promise<void>
  /** A service and its proxy. Resolves with the proxy's ports once Envoy is ready. */
  workload(name: string, workload: string, options?: WorkloadOptions): Promise<{ readonly inbound: number; readonly service: number }>
  /** Stops a workload's service; its proxy stays. */
  stopService(name: string): Promise<void>
  /** Starts a stopped service again. */
  startService(name: string): Promise<void>
  freePort(): Promise<number>
}

export interface WorkloadOptions {
  readonly outbound?: readonly object[]
  readonly labels?: Readonly<Record<string, string>>
  readonly service?: string
  readonly inbounds?: boolean
  /** A zone proxy: its listener is on the `inbound` port. */
  readonly listener?: 'ZoneIngress' | 'ZoneEgress'
  /** More of the Dataplane's networking. */
  readonly networking?: object
  /** More flags of the launcher. Without any it has no DNS, whose port all proxies of a host would share. */
  readonly flags?: readonly string[]
  /** Variables of the launcher. */
  readonly env?: Readonly<Record<string, string>>
}

/** The Envoy binary the tests may use, or undefined: then the test says so and ends. */
export const envoyBinary: string | undefined = process.env['ENVOY_PATH']

/** Starts a standalone zone on a memory store, with mesh `default` and nothing else of a person's. */
export async function startZone(environment: Readonly<Record<string, string>> = {}): Promise<TestZone> {
  const dataDir = mkdtempSync(join(tmpdir(), 'wz-'))
  const ports = await freePorts(6)
  const failures: string[] = []
  const processes = createProcesses(dataDir, (name, code) => failures.push(`${name} ended with ${code}`))
  const services = new Map<string, { readonly port: number; readonly answersAs: string; running: Service | undefined }>()
  const api = `http://127.0.0.1:${ports[0]}`
  processes.start('zone', join(root, 'weft'), {
    args: ['cp', 'run'],
    env: {
      KUMA_MODE: 'zone',
      KUMA_ENVIRONMENT: 'universal',
      KUMA_STORE_TYPE: 'memory',
      KUMA_MULTIZONE_ZONE_NAME: 'solo',
      KUMA_GENERAL_WORK_DIR: join(dataDir, 'zone'),
      KUMA_API_SERVER_HTTP_PORT: String(ports[0]),
      KUMA_API_SERVER_HTTPS_PORT: String(ports[1]),
      KUMA_DIAGNOSTICS_SERVER_PORT: String(ports[2]),
      KUMA_DP_SERVER_PORT: String(ports[3]),
      KUMA_INTER_CP_SERVER_PORT: String(ports[4]),
      KUMA_MONITORING_ASSIGNMENT_SERVER_PORT: String(ports[5]),
      ...environment,
    },
  })
  await until('zone API', async () => {
    if (failures.length > 0) throw new Error(failures.join('; '))
    return (await http('GET', `${api}/meshes/default`)).status === 200
  })
  const zone: TestZone = {
    api,
    dataplaneServer: `127.0.0.1:${ports[3]}`,
    monitoring: `http://127.0.0.1:${ports[5]}/v3/discovery:monitoringassignments`,
    processes,
    freePort: async () => (await freePorts(1))[0] ?? 0,
    stopService: async (name) => {
      const service = services.get(name)
      await service?.running?.close()
      if (service) service.running = undefined
    },
    startService: async (name) => {
      const service = services.get(name)
      if (service) service.running = await startService(service.answersAs, service.port)
    },
    put: (path, resource) => put(api, path, resource),
    remove: async (path) => {
      const answer = await http('DELETE', `${api}${path}`)
      if (answer.status !== 200) throw new Error(`DELETE ${path}: ${answer.status} ${answer.text}`)
    },
    workload: async (name, workload, options = {}) => {
      const [inbound = 0, service = 0, readiness = 0] = await freePorts(3)
      const answersAs = options.service ?? name
      if (options.inbounds !== false) services.set(name, { port: service, answersAs, running: await startService(answersAs, service) })
      await launchProxy({
        processes,
        api,
        dataplaneServer: `127.0.0.1:${ports[3]}`,
        name,
        workload,
        labels: options.labels ?? {},
        networking: {
          address: '127.0.0.1',
          ...(options.inbounds === false ? {} : { inbound: [{ port: inbound, servicePort: service, name: 'main', protocol: 'http' }] }),
          ...(options.outbound ? { outbound: options.outbound } : {}),
          ...(options.listener ? { listeners: [{ type: options.listener, address: '127.0.0.1', port: inbound, name: 'main' }] } : {}),
          ...options.networking,
        },
        readinessPort: readiness,
        flags: options.flags ?? ['--dns-enabled=false'],
        ...(options.env ? { env: options.env } : {}),
        check: () => {
          if (failures.length > 0) throw new Error(failures.join('; '))
        },
      })
      return { inbound, service }
    },
    [Symbol.asyncDispose]: async () => {
      await processes.stopAll()
      await Promise.all([...services.values()].map(async (service) => service.running?.close()))
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
  return zone
}

const firstPort = 10_000
const lastPort = 31_999

/** Where this process looks for its next port: processes that run at the same time begin in different places. */
let nextPort = firstPort + ((process.pid * 61) % (lastPort - firstPort))

/**
 * Ports that were free a moment ago, all different, and none that this process got before. They lie below the range from which the kernel takes
 * the local ports of connections (32,768 and up on Linux): there a connection could take a port before its server listens or while it restarts.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = []
  for (let tried = 0; ports.length < count; tried++) {
    if (tried > lastPort - firstPort) throw new Error('no free ports')
    const port = nextPort
    nextPort = port === lastPort ? firstPort : port + 1
    if (await isPortFree(port)) ports.push(port)
  }
  return ports
}
