// Endpoints that leave, in the composed control plane: by closing their stream, by being lost together, and by name.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../apps/demo/src/rest.ts'
import { type ControlPlanes, controlPlanes } from './control-planes.ts'
import { proxyGroup, services } from './watched-proxy.ts'

const endpointType = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment'

interface LoadAssignment {
  readonly policy?: { readonly overprovisioningFactor?: number }
  readonly endpoints?: readonly {
    readonly lbEndpoints?: readonly {
      readonly healthStatus?: string
      readonly endpoint?: { readonly address?: { readonly socketAddress?: { readonly address?: string } } }
    }[]
  }[]
}

/** What a proxy is to have of one service: `<address> <health>` of its endpoints, sorted. */
async function assignmentOf(
  planes: ControlPlanes,
  { client, service }: { readonly client: string; readonly service: string },
): Promise<{ readonly endpoints: readonly string[]; readonly factor: number | undefined }> {
  // the shape is Envoy's
  const config = (await planes.get('zone', `/meshes/default/dataplanes/${client}/_config`)) as
    | { readonly xds?: Readonly<Record<string, Readonly<Record<string, LoadAssignment>>>> }
    | undefined
  const assignments = config?.xds?.[endpointType] ?? {}
  const found = Object.entries(assignments).find(([name]) => name.includes(`_${service}_`))?.[1]
  const endpoints = (found?.endpoints ?? [])
    .flatMap((locality) => locality.lbEndpoints ?? [])
    .map(({ healthStatus, endpoint }) => `${endpoint?.address?.socketAddress?.address} ${healthStatus ?? 'HEALTHY'}`)
    .sort()
  return { endpoints, factor: found?.policy?.overprovisioningFactor }
}

const stored = async (planes: ControlPlanes, name: string): Promise<boolean> =>
  (await planes.get('zone', `/meshes/default/dataplanes/${name}`)) !== undefined

/** The delay is long enough to see what is there before it is over, on a busy machine too. */
const env = { KUMA_DP_SERVER_AUTHN_DP_PROXY_TYPE: 'none', KUMA_XDS_DATAPLANE_DEREGISTRATION_DELAY: '25s' }

test('a proxy that closes its stream is the last choice at once and goes after the delay; many at once are lost and stay', async (t) => {
  await using planes = await controlPlanes({ standalone: true, env })
  await planes.start('zone')
  await planes.put('zone', '/meshes/default', { type: 'Mesh', name: 'default', meshServices: { mode: 'Exclusive' } })
  const group = proxyGroup(planes.proxies)
  try {
    for (let index = 0; index < 4 * services; index++) group.add('sidecar', { index, token: '' })
    await until('all proxies complete', async () => group.all.every(({ proxy }) => proxy.completeAt !== undefined))
    // svc-0 is reached by svc-1, and is served by the proxies 0, 5, 10 and 15
    const view = { client: 'svc-1-1', service: 'svc-0' }
    await until('four endpoints', async () => {
      const { endpoints, factor } = await assignmentOf(planes, view)
      return endpoints.length === 4 && factor === undefined && endpoints.every((line) => line.endsWith(' HEALTHY'))
    })

    const leaving = group.all[0]
    assert.ok(leaving)
    leaving.proxy.close()
    let degraded = await assignmentOf(planes, view)
    const ms = await until('degraded', async () => {
      degraded = await assignmentOf(planes, view)
      return degraded.endpoints.some((line) => line.endsWith(' DEGRADED'))
    })
    t.diagnostic(`degraded ${Math.round(ms)} ms after the stream was closed`)
    assert.deepEqual([degraded.endpoints.length, degraded.factor], [4, 10_000])
    assert.equal(await stored(planes, leaving.name), true)
    await until('removed', async () => !(await stored(planes, leaving.name)))
    await until('gone', async () => {
      const { endpoints, factor } = await assignmentOf(planes, view)
      return endpoints.length === 3 && factor === undefined
    })

    // more than a fifth at once: the network or this control plane, not they
    const lost = group.all.slice(5, 16)
    for (const { proxy } of lost) proxy.close()
    await until('all three degraded', async () => {
      const { endpoints, factor } = await assignmentOf(planes, view)
      return endpoints.length === 3 && factor === 10_000 && endpoints.every((line) => line.endsWith(' DEGRADED'))
    })
    for (const { name } of lost) assert.equal(await stored(planes, name), true, `${name} is still there`)
    lost[0]?.proxy.connect()
    await until(
      'one is back',
      async () => (await assignmentOf(planes, view)).endpoints.filter((line) => line.endsWith(' HEALTHY')).length === 1,
    )
  } finally {
    group.close()
  }
})

test('an endpoint whose address is a name is found', async () => {
  await using planes = await controlPlanes({ standalone: true, env })
  await planes.start('zone')
  await planes.put('zone', '/meshes/default', { type: 'Mesh', name: 'default', meshServices: { mode: 'Exclusive' } })
  const group = proxyGroup(planes.proxies)
  try {
    await planes.put('zone', '/meshes/default/dataplanes/by-name', {
      type: 'Dataplane',
      mesh: 'default',
      name: 'by-name',
      labels: { 'kuma.io/workload': 'svc-0' },
      networking: { address: 'localhost', inbound: [{ port: 8080, name: 'main', protocol: 'http' }] },
    })
    const client = group.add('sidecar', { index: 1, token: '', backends: false })
    await until('resolved', async () =>
      (await assignmentOf(planes, { client: client.name, service: 'svc-0' })).endpoints.some((line) => /^(127\.0\.0\.1|::1) /.test(line)),
    )
  } finally {
    group.close()
  }
})
