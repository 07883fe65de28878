// Policy written at global, seen by a client whose call crosses two zones through real Envoys.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { dataplaneToken, http } from '../../apps/demo/src/rest.ts'
import { type Service, startService } from '../../apps/demo/src/services.ts'
import { median } from '../../packages/testkit/src/fleet/percentiles.ts'
import { root } from '../run-command.ts'
import type { Federation } from './federation.ts'
import { meshName, permission } from './resources.ts'
import type { RunContext } from './run-context.ts'

const zones = ['zone-1', 'zone-2'] as const

/** Measures how long a denial and a permission take, from before the write at global to the client's changed answer. */
export async function measureTraffic(context: RunContext): Promise<void> {
  const { options, progress } = context
  const federation = await context.federation(zones, 'memory')
  const services: Service[] = []
  const proxies: string[] = []
  try {
    progress('traffic: starting one global, two zones and five real Envoys')
    const url = await build(context, { federation, services, proxies })
    const answers = async (status: number): Promise<boolean> => (await http('GET', url)).status === status
    await federation.until('a cross-zone call through real Envoys', () => answers(200))
    const denials: number[] = []
    const permissions: number[] = []
    for (let round = 1; round <= options.rounds; round++) {
      for (const [wanted, allowed, times] of [
        [403, ['zone-2'], denials],
        [200, zones, permissions],
      ] as const) {
        await context.sleep(200 + Math.random() * 800)
        const start = performance.now()
        // the backend is in zone-2, its caller in zone-1
        await federation.put('global', permission(allowed))
        const isComplete = await federation
          .until('policy', () => answers(wanted), 30_000)
          .then(
            () => true,
            () => false,
          )
        context.count({ nacks: 0, isComplete })
        if (isComplete) times.push(performance.now() - start)
      }
      progress(`traffic: round ${round}: deny ${shown(denials.at(-1))}, allow ${shown(permissions.at(-1))}`)
    }
    context.put('traffic.deny', median(denials))
    context.put('traffic.allow', median(permissions))
    context.put('traffic.denyWorst', denials.length > 0 ? Math.max(...denials) : undefined)
    context.put('traffic.allowWorst', permissions.length > 0 ? Math.max(...permissions) : undefined)
  } finally {
    await Promise.all(proxies.map((name) => context.session.processes.stop(name, 4000)))
    await federation.stop()
    await Promise.all(services.map((service) => service.close()))
  }
}

function shown(ms: number | undefined): string {
  return ms === undefined ? '-' : `${ms.toFixed(0)} ms`
}

interface Stage {
  readonly federation: Federation
  readonly services: Service[]
  /** Names of the processes of proxies. */
  readonly proxies: string[]
}

/** Starts everything; resolves with the address that calls the other zone's backend. */
async function build(context: RunContext, stage: Stage): Promise<string> {
  const { federation, services } = stage
  federation.start('global')
  await federation.answers('global')
  for (const zone of zones) federation.start(zone)
  await federation.online(zones.length)
  await federation.writeMesh()
  const ports = zones.map((_, index) => {
    const [ingress = 0, inbound = 0, service = 0, client = 0, outbound = 0] = Array.from({ length: 5 }, (_each, at) =>
      federation.ownPort(index * 5 + at),
    )
    return { ingress, inbound, service, client, outbound }
  })
  for (const [index, zone] of zones.entries()) {
    const { ingress = 0, inbound = 0, service = 0 } = ports[index] ?? {}
    await federation.writeZone(zone, ingress)
    services.push(await startService(`backend-in-${zone}`, service))
    await startProxy(context, stage, {
      zone,
      workload: 'ingress',
      networking: { listeners: [{ type: 'ZoneIngress', address: '127.0.0.1', port: ingress, name: 'main' }] },
    })
    await startProxy(context, stage, {
      zone,
      workload: 'backend',
      networking: { inbound: [{ port: inbound, servicePort: service, name: 'main', protocol: 'http' }] },
    })
  }
  const { client = 0, service = 0, outbound = 0 } = ports[0] ?? {}
  await startProxy(context, stage, {
    zone: 'zone-1',
    workload: 'client',
    networking: {
      inbound: [{ port: client, servicePort: service, name: 'main', protocol: 'http' }],
      outbound: [
        {
          address: '127.0.0.1',
          port: outbound,
          backendRef: {
            kind: 'MeshService',
            labels: { 'kuma.io/display-name': 'backend', 'kuma.io/zone': 'zone-2' },
            port: ports[1]?.inbound,
          },
        },
      ],
    },
  })
  return `http://127.0.0.1:${outbound}/`
}

interface RealProxy {
  readonly zone: string
  readonly workload: string
  readonly networking: object
}

async function startProxy(
  { session }: RunContext,
  { federation, proxies }: Stage,
  { zone, workload, networking }: RealProxy,
): Promise<void> {
  const { processes } = session
  const name = `${zone}-${workload}`
  const process = `e${session.federations}-${name}`
  const token = await dataplaneToken(federation.api(zone), workload, { mesh: meshName })
  const folder = processes.folder(process)
  mkdirSync(folder, { recursive: true })
  const [tokenFile, dataplaneFile] = [join(folder, 'token'), join(folder, 'dataplane.json')]
  writeFileSync(tokenFile, token, { mode: 0o600 })
  const labels = { 'kuma.io/workload': workload }
  writeFileSync(
    dataplaneFile,
    JSON.stringify({ type: 'Dataplane', mesh: meshName, name, labels, networking: { address: '127.0.0.1', ...networking } }),
  )
  const settings = {
    'cp-address': `https://${federation.dataplaneServer(zone)}`,
    'dataplane-file': dataplaneFile,
    'dataplane-token-file': tokenFile,
    'work-dir': folder,
    concurrency: '1',
    'drain-time': '1s',
    'readiness-port': String(federation.ownPort(10 + proxies.length)),
    'dns-enabled': 'false',
  }
  session.signal.throwIfAborted()
  processes.start(process, join(root, 'weft'), {
    args: ['dp', 'run', '--skip-verify', ...Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value])],
  })
  proxies.push(process)
}
