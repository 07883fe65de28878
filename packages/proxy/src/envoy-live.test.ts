// A real Envoy with the system listeners of a proxy: what the launcher and the control plane rely on. Without a binary it checks nothing.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, request as plainRequest, type RequestOptions } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { freePort } from '@weft/foundation/net'
import { destinationLookup } from '@weft/policy'
import { createProxyBuilder } from './builder.ts'
import { bootstrapOf, findEnvoy, noEnvoy, realCertificates } from './testing/real-envoy.ts'
import { sampleFacts, sampleMetadata } from './testing/sample-facts.ts'

test('Envoy answers dynamic configuration with ETags, readiness in the clear and its admin over mutual TLS', async (t) => {
  const envoy = findEnvoy()
  if (envoy === undefined) {
    t.diagnostic(noEnvoy)
    return
  }
  const workdir = mkdtempSync(join(tmpdir(), 'weft-live-'))
  const certificates = await realCertificates()
  const readiness = createServer((_, response) => response.end('LIVE'))
  await new Promise<void>((resolve) => readiness.listen(0, '127.0.0.1', resolve))
  // the address of the listener must be known before it exists
  const adminPort = await freePort()
  const adminSocketPath = join(workdir, 'admin.sock')
  const builder = createProxyBuilder({
    log: silentLogger,
    metrics: createMetrics(),
    destinations: () => destinationLookup([]),
    adminCertificate: () => certificates.admin,
  })
  const facts = sampleFacts('live', {
    address: '127.0.0.1',
    // A server with port 0 is a pipe or a port: after listen on TCP it is a port.
    proxy: sampleMetadata({ workdir, adminSocketPath, adminPort, readinessPort: (readiness.address() as AddressInfo).port }),
  })
  const file = join(workdir, 'bootstrap.json')
  writeFileSync(file, JSON.stringify({ ...bootstrapOf(builder.build(facts)), admin: { address: { pipe: { path: adminSocketPath } } } }))
  const child = spawn(envoy, ['-c', file, '--disable-hot-restart', '--concurrency', '1', '--log-level', 'info'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  try {
    await started(child)
    const socketPath = join(workdir, 'kuma-mesh-metric-config.sock')
    const first = await get({ socketPath, path: '/dns' })
    assert.equal(first.status, 200)
    assert.deepEqual((JSON.parse(first.body) as { records: unknown }).records, [])
    const { etag } = first.headers
    assert.ok(etag)
    assert.equal((await get({ socketPath, path: '/dns', headers: { 'if-none-match': etag } })).status, 304)
    assert.equal((await get({ socketPath, path: '/dns', headers: { 'if-none-match': 'other' } })).status, 200)
    assert.equal((await get({ socketPath, path: '/otel' })).status, 404)

    const at = { host: '127.0.0.1', port: adminPort }
    assert.equal((await get({ ...at, path: '/ready' })).body, 'LIVE')
    assert.equal((await get({ ...at, path: '/config_dump' })).status, 404)
    const tls = { ca: certificates.admin.clientCaPem, ...certificates.adminClient }
    const dump = await get({ ...at, path: '/server_info' }, tls)
    assert.equal(dump.status, 200)
    assert.match(dump.body, /"state": "(LIVE|INITIALIZING|PRE_INITIALIZING)"/)
    await assert.rejects(get({ ...at, path: '/server_info' }, { ca: tls.ca }), 'a caller without certificate is refused')
    const stranger = { ca: tls.ca, cert: certificates.admin.certificatePem, key: certificates.admin.keyPem }
    await assert.rejects(get({ ...at, path: '/server_info' }, stranger), 'a certificate of another name is refused')
  } finally {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
    await new Promise((resolve) => readiness.close(resolve))
    rmSync(workdir, { recursive: true, force: true })
  }
})

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

function get(options: RequestOptions, tls?: { readonly ca: string; readonly cert?: string; readonly key?: string }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = tls === undefined ? plainRequest : tlsRequest
    const sent = send({ ...options, ...tls, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (body += chunk))
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }))
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** Resolves when Envoy's workers run. */
function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let output = ''
    child.stderr?.setEncoding('utf8')
    child.stderr?.on('data', (chunk: string) => {
      output += chunk
      if (output.includes('starting main dispatch loop') && output.includes('all dependencies initialized. starting workers')) resolve()
    })
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`envoy ended: ${output.slice(-2000)}`)))
  })
}
