// A real proxy: `weft dp run` with its Dataplane and token in a folder of its own.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Processes } from '../../apps/demo/src/processes.ts'
import { dataplaneToken, http, until } from '../../apps/demo/src/rest.ts'
import { root } from '../../tools/run-command.ts'

export interface ProxyLaunch {
  readonly processes: Processes
  /** REST API of its zone, for the token. */
  readonly api: string
  /** `host:port`. */
  readonly dataplaneServer: string
  readonly name: string
  readonly workload: string
  readonly labels?: Readonly<Record<string, string>>
  /** Of the Dataplane, with its address. */
  readonly networking: object
  readonly readinessPort: number
  /** More of the command line. */
  readonly flags?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Throws when something that the proxy needs has ended. */
  check?(): void
}

/** Resolves once Envoy is ready. */
export async function launchProxy(launch: ProxyLaunch): Promise<void> {
  const { processes, api, dataplaneServer, name, workload, labels, networking, readinessPort, flags, env, check } = launch
  const token = await dataplaneToken(api, workload)
  const folder = processes.folder(name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'token'), token)
  const resource = { type: 'Dataplane', mesh: 'default', name, labels: { 'kuma.io/workload': workload, ...labels }, networking }
  writeFileSync(join(folder, 'dataplane.json'), JSON.stringify(resource))
  processes.start(name, join(root, 'weft'), {
    args: [
      'dp',
      'run',
      '--cp-address',
      `https://${dataplaneServer}`,
      '--skip-verify',
      '--dataplane-file',
      join(folder, 'dataplane.json'),
      '--dataplane-token-file',
      join(folder, 'token'),
      '--work-dir',
      folder,
      '--concurrency',
      '1',
      '--drain-time',
      '1s',
      '--readiness-port',
      String(readinessPort),
      ...(flags ?? []),
    ],
    ...(env ? { env } : {}),
  })
  await until(`${name} ready`, async () => {
    check?.()
    return (await http('GET', `http://127.0.0.1:${readinessPort}/ready`)).status === 200
  })
}
