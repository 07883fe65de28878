import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import type { OtelEnvFact, TelemetryBackendFact, TelemetryEnvPolicy } from '@weft/facts'
import type { OtelExport } from '@weft/policies'
import { ownerOf } from '../owner.ts'
import { sampleFacts } from '../testing/sample-facts.ts'
import { otelEntry } from './otel-config.ts'

const facts = sampleFacts('client')
const at = (otelEnv?: OtelEnvFact) => ownerOf({ ...facts, proxy: { ...facts.proxy, workdir: '/tmp', otelEnv } })
const backend = (name: string, over: Partial<TelemetryBackendFact> = {}): TelemetryBackendFact => ({
  name,
  labels: {},
  creationTime: '',
  address: 'otel.example.com',
  port: 4317,
  path: '',
  protocol: 'grpc',
  env: undefined,
  ...over,
})
const body = (exports: readonly OtelExport[], otelEnv?: OtelEnvFact): string => otelEntry(at(otelEnv), exports)?.body ?? ''
const none = { present: false, overrideKinds: [] }
const environment = (over: Partial<OtelEnvFact> = {}): OtelEnvFact => ({
  shared: true,
  signals: { traces: none, logs: none, metrics: none },
  validationErrors: [],
  ...over,
})
const reasons = (policy: TelemetryEnvPolicy | undefined, otelEnv?: OtelEnvFact): unknown => {
  const value: unknown = JSON.parse(body([{ signal: 'logs', backend: backend('o', { env: policy }) }], otelEnv))
  return JSON.stringify(value).match(/"blockedReasons":\[([^\]]*)\]/)?.[1]
}
const policy = (mode: TelemetryEnvPolicy['mode'], allowSignalOverrides = true): TelemetryEnvPolicy => ({
  mode,
  precedence: 'EnvFirst',
  allowSignalOverrides,
})

describe('/otel', () => {
  test('is the text that the reference hashes', () => {
    const named = backend('mm-otel-backend', { address: 'otel-collector.observability.svc' })
    const text = body([{ signal: 'metrics', backend: named, refreshInterval: '1m0s' }])
    const hash = createHash('sha256').update(text).digest('hex')
    assert.equal(hash, '5e06ae4eae05a6a0b4d46660bac8169715a3139031163edbbf870d9805743138')
  })

  test('has backends by name and signals in the order of the wire', () => {
    const https = backend('b', { port: 443, protocol: 'http', path: '/base' })
    const text = body([
      { signal: 'metrics', backend: https },
      { signal: 'logs', backend: https },
      { signal: 'traces', backend: backend('a', { address: '::1' }) },
    ])
    assert.equal(
      text,
      '{"backends":[{"name":"a","socketPath":"/tmp/kuma-otel-a.sock","endpoint":"[::1]:4317","useHTTP":false,"traces":{"enabled":true}},' +
        '{"name":"b","socketPath":"/tmp/kuma-otel-b.sock","endpoint":"otel.example.com:443","useHTTP":true,"useHTTPS":true,"path":"/base",' +
        '"logs":{"enabled":true},"metrics":{"enabled":true}}]}',
    )
    assert.equal(otelEntry(at(), []), undefined)
  })

  test('says why the environment of the launcher is not followed', () => {
    assert.equal(reasons(undefined), undefined)
    assert.equal(reasons(undefined, environment()), undefined)
    assert.equal(reasons(policy('Required')), '"RequiredEnvMissing"')
    assert.equal(reasons(policy('Required'), environment({ shared: false })), '"RequiredEnvMissing"')
    assert.equal(reasons(policy('Required'), environment()), undefined)
    assert.equal(reasons(policy('Required'), environment({ validationErrors: ['logs.mtls', 'traces.endpoint'] })), '"RequiredEnvMissing"')
    assert.equal(reasons(policy('Disabled'), environment()), '"EnvDisabledByPolicy"')
    const overrides = environment({
      shared: false,
      signals: { traces: none, logs: { present: true, overrideKinds: ['endpoint'] }, metrics: none },
    })
    assert.equal(reasons(policy('Optional'), overrides), undefined)
    assert.equal(reasons(policy('Optional', false), overrides), '"SignalOverridesBlocked"')
  })

  test('one environment cannot speak for several collectors of a signal', () => {
    const exports = ['a', 'b', 'c'].map(
      (name): OtelExport => ({ signal: 'logs', backend: backend(name, name === 'c' ? { env: policy('Disabled') } : {}) }),
    )
    assert.equal(body(exports, environment()).match(/MultipleBackendsForSignal/g)?.length, 2)
    assert.doesNotMatch(body(exports), /blockedReasons/)
  })

  test('names what is incomplete of what is required', () => {
    const text = body(
      [{ signal: 'logs', backend: backend('o', { env: policy('Required') }) }],
      environment({ validationErrors: ['shared.mtls', 'logs.client-key', 'logs.endpoint', 'nothing'] }),
    )
    assert.match(text, /"missingFields":\["client_certificate","client_key","endpoint"\]/)
  })
})
