// External services through a zone egress and real Envoys: TLS to the origin is checked, and only who is permitted gets there.
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { http, until } from '../../apps/demo/src/rest.ts'
import { createOwnServerCertificate } from '../../packages/identity/src/index.ts'
import { envoyBinary, startZone, type TestZone } from './zone.ts'

const missing = envoyBinary ? false : 'no Envoy binary: set ENVOY_PATH'
const labels = { 'kuma.io/origin': 'zone' }
const base64 = (text: string): string => Buffer.from(text).toString('base64')

interface Origin extends AsyncDisposable {
  readonly port: number
  readonly certificatePem: string
}

/** A server of `localhost` with a certificate that only its own authority vouches for. */
async function startOrigin(): Promise<Origin> {
  const { certificatePem, privateKeyPem } = await createOwnServerCertificate({ now: Date.now() })
  const server: Server = createServer({ cert: certificatePem, key: privateKeyPem }, (request, response) =>
    response.end(`origin ${request.url}`),
  )
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    // an address of a listening TCP server is always an object
    port: (server.address() as AddressInfo).port,
    certificatePem,
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        server.closeAllConnections()
        server.close(() => done())
      }),
  }
}

async function secure(zone: TestZone): Promise<void> {
  await zone.put('/meshes/default/meshidentities/identity', {
    type: 'MeshIdentity',
    mesh: 'default',
    name: 'identity',
    labels,
    spec: {
      selector: { dataplane: { matchLabels: {} } },
      provider: { type: 'Bundled', bundled: { insecureAllowSelfSigned: true, autogenerate: { enabled: true } } },
    },
  })
}

const allow = (workload: string): object => ({
  type: 'MeshTrafficPermission',
  mesh: 'default',
  name: 'external',
  labels,
  spec: {
    rules: [{ default: { allow: [{ spiffeID: { type: 'Exact', value: `spiffe://default.solo.mesh.local/workload/${workload}` } }] } }],
  },
})

const external = (port: number, verification: object): object => ({
  type: 'MeshExternalService',
  mesh: 'default',
  name: 'origin',
  labels,
  spec: {
    match: { type: 'HostnameGenerator', port: 443, protocol: 'http' },
    endpoints: [{ address: '127.0.0.1', port }],
    tls: { enabled: true, verification: { serverName: 'localhost', ...verification } },
  },
})

test('a service outside the mesh is reached over the egress, checked, permitted, and only there', {
  skip: missing,
  timeout: 400_000,
}, async () => {
  await using origin = await startOrigin()
  await using zone = await startZone()
  await secure(zone)
  await zone.put('/meshes/default/meshtrafficpermissions/external', allow('client'))
  const path = '/meshes/default/meshexternalservices/origin'
  await zone.put(path, external(origin.port, { caCert: { type: 'Secret', secretRef: { kind: 'Secret', name: 'origin-ca' } } }))
  await zone.workload('egress-1', 'egress', { inbounds: false, listener: 'ZoneEgress' })
  const port = await zone.freePort()
  await zone.workload('client-1', 'client', {
    inbounds: false,
    outbound: [{ address: '127.0.0.1', port, backendRef: { kind: 'MeshExternalService', name: 'origin', port: 443 } }],
  })
  const url = `http://127.0.0.1:${port}/things`
  const status = async (): Promise<number> => (await http('GET', url)).status

  // the authority is named but not there: the service is not served rather than served unchecked
  await until('an answer', async () => (await status()) === 503)

  await zone.put('/meshes/default/secrets/origin-ca', {
    type: 'Secret',
    mesh: 'default',
    name: 'origin-ca',
    labels,
    data: base64(origin.certificatePem),
  })
  await until('the origin answers', async () => (await status()) === 200)
  assert.equal((await http('GET', url)).text, 'origin /things')

  await zone.put('/meshes/default/meshtrafficpermissions/external', allow('somebody-else'))
  await until('the call is denied', async () => (await status()) === 403)
  await zone.put('/meshes/default/meshtrafficpermissions/external', allow('client'))
  await until('the call is allowed again', async () => (await status()) === 200)

  // another authority does not vouch for the origin
  const other = await createOwnServerCertificate({ now: Date.now() })
  await zone.put(path, external(origin.port, { caCert: { type: 'InsecureInline', insecureInline: { value: other.certificatePem } } }))
  await until('the wrong authority is noticed', async () => (await status()) === 503)
  await zone.put(path, external(origin.port, { mode: 'SkipAll' }))
  await until('unchecked on demand', async () => (await status()) === 200)

  await zone.processes.stop('egress-1')
  await until('no egress, no way out', async () => (await status()) === 503)
})
