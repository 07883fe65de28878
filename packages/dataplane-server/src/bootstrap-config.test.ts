import assert from 'node:assert/strict'
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, it } from 'node:test'
import { createServerCertificate } from '@weft/identity'
import { type BootstrapInput, buildBootstrap } from './bootstrap-config.ts'
import { type BootstrapRequest, parseBootstrapRequest } from './bootstrap-request.ts'
import { dataplaneText } from './testing/server-fixture.ts'

const version = {
  kumaDp: { version: '3.0.0-dev', gitTag: 'unknown', gitCommit: 'unknown', buildDate: 'unknown' },
  envoy: { version: '1.40.0', build: 'x/1.40.0/Clean/RELEASE/BoringSSL', kumaDpCompatible: false },
}

/** What a launcher sends, as captured, reduced. */
const requestBody = {
  mesh: 'default',
  name: 'web-1',
  proxyType: 'dataplane',
  dataplaneToken: ' a.b.c\n',
  dataplaneTokenPath: '/run/token',
  dataplaneResource: dataplaneText('web-1'),
  version,
  caCert: '',
  dynamicMetadata: {},
  otelEnv: { pipeEnabled: true },
  dnsPort: 15053,
  readinessPort: 9902,
  operatingSystem: 'linux',
  features: ['feature-tcp-accesslog-via-named-pipe', 'feature-reuse-port'],
  resources: { maxHeapSizeBytes: 0 },
  workdir: '/var/lib/weft',
  metricsResources: { certPath: '', keyPath: '' },
  systemCaPath: '/etc/ssl/certs/ca-certificates.crt',
  ipv6Enabled: true,
  spireResources: { socketPath: '' },
  somethingNew: { a: 1 },
}

function request(change: object = {}): BootstrapRequest {
  return parseBootstrapRequest(JSON.stringify({ ...requestBody, ...change })) ?? assert.fail('not a request')
}

function input(change: Partial<BootstrapInput> = {}): BootstrapInput {
  return {
    request: request(),
    workload: 'web',
    adminPort: 9901,
    adminAddress: '127.0.0.1',
    adminSocket: true,
    xdsHost: '127.0.0.1',
    xdsPort: 5678,
    xdsConnectTimeoutMs: 1000,
    ipv4Only: false,
    caPem: 'PEM',
    hdsEnabled: true,
    reloadableTokenPath: '',
    ...change,
  }
}

const transparentProxy = {
  ipFamilyMode: 'ipv4',
  redirect: {
    dns: { enabled: true, port: 25053 },
    inbound: { enabled: true, port: 25006 },
    outbound: { enabled: true, port: 25001 },
    vnet: { networks: [] },
  },
}

const cases: Readonly<Record<string, () => BootstrapInput>> = {
  sidecar: () => input(),
  'everything-announced': () =>
    input({
      request: request({
        dynamicMetadata: { HOST_IP: '10.0.0.1' },
        version: { ...version, dependencies: { coredns: '1.11' } },
        dataplaneConfig: transparentProxy,
        appProbeProxyDisabled: true,
        otelEnv: { pipeEnabled: true, shared: { endpoint: 'x' } },
      }),
    }),
  'little-announced': () =>
    input({
      request: request({ workdir: '', dnsPort: 0, otelEnv: null, dataplaneResource: '', features: [], version: {} }),
      workload: '',
      adminSocket: false,
      hdsEnabled: false,
    }),
  'by-name': () => input({ xdsHost: 'cp.example', ipv4Only: true }),
  'token-from-file': () => input({ xdsHost: '::1', reloadableTokenPath: '/run/token' }),
}

describe('bootstrap', () => {
  for (const [name, build] of Object.entries(cases)) {
    it(`is as recorded: ${name}`, () => {
      const file = join(import.meta.dirname, 'cases', `${name}.golden.json`)
      const text = `${JSON.stringify(sorted(buildBootstrap(build())), null, 2)}\n`
      if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text)
      assert.equal(text, readFileSync(file, 'utf8'))
    })
  }

  it('puts sockets where the launcher looks for them, however long the path', () => {
    const text = JSON.stringify(buildBootstrap(input({ request: request({ workdir: `/${'w'.repeat(120)}` }) })))
    assert.ok(text.includes(`"/${'w'.repeat(97)}.sock"`))
  })

  it('never holds a token that the proxy reads from its file', () => {
    assert.equal(JSON.stringify(buildBootstrap(input({ reloadableTokenPath: '/run/token' }))).includes('a.b.c'), false)
  })
})

describe('Envoy', () => {
  it('accepts every bootstrap', async (t) => {
    const envoy = findEnvoy()
    if (envoy === undefined) {
      t.diagnostic('no Envoy found (ENVOY_PATH or PATH): bootstraps were not validated')
      return
    }
    const { certificatePem } = await createServerCertificate({ hosts: ['127.0.0.1'], commonName: 'x', now: Date.now() })
    const folder = mkdtempSync(join(tmpdir(), 'weft-bootstrap-'))
    try {
      for (const [name, build] of Object.entries(cases)) {
        const file = join(folder, `${name}.json`)
        const tokenFile = join(folder, 'token')
        writeFileSync(tokenFile, 'a.b.c')
        const made = build()
        const bootstrap = buildBootstrap({
          ...made,
          caPem: certificatePem,
          reloadableTokenPath: made.reloadableTokenPath === '' ? '' : tokenFile,
        })
        writeFileSync(file, JSON.stringify(bootstrap))
        const done: SpawnSyncReturns<string> = spawnSync(
          envoy,
          ['--mode', 'validate', '-c', file, '--log-level', 'error', '--disable-hot-restart'],
          { encoding: 'utf8', timeout: 300_000 },
        )
        assert.equal(done.status, 0, `${name}: ${done.stderr.slice(-2000)}`)
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

function findEnvoy(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'envoy'))
  return [process.env['ENVOY_PATH'] ?? '', ...folders].find((path) => path !== '' && existsSync(path))
}

/** Keys in order, so that a golden file shows differences of content only. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  )
}
