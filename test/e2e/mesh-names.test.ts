// Names of the mesh, resolved by the DNS beside a real Envoy and called where they lead. Nothing redirects traffic here: virtual addresses are taken from the
// loopback range, and Envoy binds them.
import assert from 'node:assert/strict'
import { Resolver } from 'node:dns/promises'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startResolver } from '../../apps/dataplane/src/dns/resolver.fixture.ts'
import { http, until } from '../../apps/demo/src/rest.ts'
import { envoyBinary, startZone } from './zone.ts'

const missing = envoyBinary ? false : 'no Envoy binary: set ENVOY_PATH'

test('a service is called by its name; names come and go with services; other names are asked of the resolver of this host', {
  skip: missing,
  timeout: 400_000,
}, async () => {
  await using zone = await startZone({ KUMA_IPAM_MESH_SERVICE_CIDR: '127.241.0.0/16' })
  await using outside = await startResolver('192.0.2.1')
  const backend = await zone.workload('backend-1', 'backend')
  const port = await zone.freePort()
  const config = join(zone.processes.folder('backend-1'), 'redirect.yaml')
  writeFileSync(config, `ipFamilyMode: ipv4\nredirect: {dns: {enabled: true, port: ${port}}}\n`)
  const flags = ['--transparent-proxy-config', config, '--bind-outbounds', '--dns-upstream', `127.0.0.1:${outside.port}`]
  await until('the service has a name and an address', async () => {
    const { text } = await http('GET', `${zone.api}/meshes/default/meshservices/backend`)
    return text.includes('"127.241.') && text.includes('"backend.svc.mesh.local"')
  })
  // ready means that names resolve
  await zone.workload('client-1', 'client', { inbounds: false, networking: { gateway: { type: 'DELEGATED' } }, flags })
  const dns = new Resolver({ timeout: 30_000, tries: 3 })
  dns.setServers([`127.0.0.1:${port}`])
  const [found] = await dns.resolve4('backend.svc.mesh.local', { ttl: true })
  assert.ok(found)
  assert.ok(found.address.startsWith('127.241.'), found.address)
  assert.equal(found.ttl, 30)
  await assert.rejects(dns.resolve6('backend.svc.mesh.local'), { code: 'ENODATA' })
  const resolves = (name: string): Promise<string> =>
    dns.resolve4(name).then(
      ([address]) => address ?? '',
      () => '',
    )
  await until('a name outside of the mesh', async () => (await resolves('www.example.com')) === '192.0.2.1')

  const url = `http://${found.address}:${backend.inbound}/`
  let answer = { status: 0, text: '' }
  await until('answer at the virtual address', async () => {
    answer = await http('GET', url)
    return answer.status === 200
  })
  assert.match(answer.text, /backend-1/)

  const labels = { 'kuma.io/origin': 'zone' }
  const ports = [{ port: backend.inbound, targetPort: backend.inbound, name: 'main', appProtocol: 'http' }]
  const selector = { dataplaneLabels: { matchLabels: { 'kuma.io/workload': 'backend' } } }
  await zone.put('/meshes/default/meshservices/shop', {
    type: 'MeshService',
    mesh: 'default',
    name: 'shop',
    labels,
    spec: { selector, ports },
  })
  await until('name of a new service', async () => (await resolves('shop.svc.mesh.local')).startsWith('127.241.'))
  const shop = `http://${await resolves('shop.svc.mesh.local')}:${backend.inbound}/`
  await until('answer of a new service', async () => (await http('GET', shop)).status === 200)
  await zone.remove('/meshes/default/meshservices/shop')
  await until('name of a removed service', async () => (await resolves('shop.svc.mesh.local')) === '192.0.2.1')
  assert.deepEqual(await dns.resolve4('backend.svc.mesh.local'), [found.address])
})
