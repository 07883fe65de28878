// A simulated proxy with an admin interface, whose port only the replica knows that has its stream.
import { createServer } from 'node:http'
import { once } from 'node:events'
import { planSidecar, SimulatedProxy } from '../../packages/testkit/src/index.ts'
import { zone } from './control-planes.ts'

export interface AdminProxy {
  readonly name: string
  readonly proxy: SimulatedProxy
  close(): void
}

/** What its `/config_dump` answers. */
export const dumped = '{"configs":[]}'
/** What everything else of it answers. */
export const counted = 'stat: 1\n'

/** Connects to `address`; its own admin interface listens on loopback. */
export async function adminProxy(address: string, index: number): Promise<AdminProxy> {
  const server = createServer((request, response) => response.end(request.url?.startsWith('/config_dump') ? dumped : counted))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const at = server.address()
  if (at === null || typeof at === 'string') throw new Error('no port')
  const name = `admin-${index}`
  const plan = { mesh: 'default', zones: [zone], services: 1, reachable: 0, probes: 0 }
  const { node } = planSidecar(plan, { zone, name, workload: 'admin', index: 100 + index, service: 0 })
  // what this very plan wrote
  const dataplane = JSON.parse(String(node.metadata['dataplane.resource'])) as { readonly networking: object }
  const resource = { ...dataplane, networking: { ...dataplane.networking, address: '127.0.0.1' } }
  const metadata = {
    ...node.metadata,
    'dataplane.resource': JSON.stringify(resource),
    'dataplane.admin.port': String(at.port),
    'dataplane.admin.socketPath': '',
  }
  const proxy = new SimulatedProxy({ address, token: '', node: { ...node, metadata } })
  proxy.connect()
  return {
    name,
    proxy,
    close: () => {
      proxy.close()
      server.close()
    },
  }
}
