import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { otlpInventory, readHeaders, readOtlpEnv } from './otlp-env.ts'

const inventory = (variables: Readonly<Record<string, string>>): unknown =>
  JSON.parse(
    JSON.stringify(
      otlpInventory(readOtlpEnv(Object.fromEntries(Object.entries(variables).map(([key, text]) => [`OTEL_EXPORTER_OTLP_${key}`, text])))),
    ),
  )

describe('what the bootstrap request says of the environment', () => {
  // each answer is what the reference's launcher sends for the same variables
  const cases: readonly (readonly [string, Readonly<Record<string, string>>, object])[] = [
    ['nothing set', {}, {}],
    ['nothing but blanks', { ENDPOINT: '  ' }, {}],
    ['an address', { ENDPOINT: 'host:4317' }, { shared: { signal: 'shared', endpointPresent: true, effectiveAuthMode: 'none' } }],
    [
      'everything for all signals, half of a client certificate',
      {
        ENDPOINT: 'http://1.2.3.4:4318',
        HEADERS: 'a=b',
        PROTOCOL: 'http/protobuf',
        TIMEOUT: '5000',
        COMPRESSION: 'gzip',
        CERTIFICATE: '/nonexist',
        CLIENT_KEY: '/x',
        INSECURE: 'true',
      },
      {
        shared: {
          signal: 'shared',
          endpointPresent: true,
          endpointParsedAsURL: true,
          protocolPresent: true,
          headersPresent: true,
          timeoutPresent: true,
          compressionPresent: true,
          insecurePresent: true,
          certificatePresent: true,
          clientKeyPresent: true,
          effectiveProtocol: 'http/protobuf',
          effectiveAuthMode: 'tls',
          validationErrors: ['shared.mtls'],
        },
        validationErrors: ['shared.mtls'],
      },
    ],
    [
      'wrong values, in the order of the reference',
      { ENDPOINT: 'http://h/p', COMPRESSION: 'zstd', TIMEOUT: 'x', CLIENT_KEY: 'a' },
      {
        shared: {
          signal: 'shared',
          endpointPresent: true,
          endpointParsedAsURL: true,
          endpointHasPath: true,
          timeoutPresent: true,
          compressionPresent: true,
          clientKeyPresent: true,
          effectiveAuthMode: 'none',
          validationErrors: ['shared.endpoint', 'shared.compression', 'shared.timeout', 'shared.mtls'],
        },
        validationErrors: ['shared.endpoint', 'shared.compression', 'shared.timeout', 'shared.mtls'],
      },
    ],
    [
      'a protocol that is none',
      { PROTOCOL: 'http/json', TIMEOUT: '10s' },
      {
        shared: {
          signal: 'shared',
          protocolPresent: true,
          timeoutPresent: true,
          effectiveProtocol: 'unknown',
          effectiveAuthMode: 'none',
          validationErrors: ['shared.protocol', 'shared.timeout'],
        },
        validationErrors: ['shared.protocol', 'shared.timeout'],
      },
    ],
    [
      'signals of their own',
      {
        TRACES_ENDPOINT: 'http://1.2.3.4:4318/v1/traces',
        LOGS_HEADERS: 'x',
        METRICS_PROTOCOL: 'bogus',
        TRACES_TIMEOUT: 'abc',
        TRACES_CLIENT_CERTIFICATE: '/a',
      },
      {
        traces: {
          signal: 'traces',
          endpointPresent: true,
          endpointParsedAsURL: true,
          endpointHasPath: true,
          timeoutPresent: true,
          clientCertificatePresent: true,
          effectiveAuthMode: 'none',
          overrideKinds: ['clientCertificate', 'endpoint', 'timeout'],
          validationErrors: ['traces.endpoint', 'traces.timeout', 'traces.mtls'],
        },
        logs: { signal: 'logs', headersPresent: true, effectiveAuthMode: 'headers', overrideKinds: ['headers'] },
        metrics: {
          signal: 'metrics',
          protocolPresent: true,
          effectiveProtocol: 'unknown',
          effectiveAuthMode: 'none',
          overrideKinds: ['protocol'],
          validationErrors: ['metrics.protocol'],
        },
        validationErrors: ['traces.endpoint', 'traces.timeout', 'traces.mtls', 'metrics.protocol'],
      },
    ],
    [
      'what a signal repeats is no override',
      {
        ENDPOINT: 'http://h',
        PROTOCOL: 'http/protobuf',
        TRACES_ENDPOINT: 'http://h',
        TRACES_PROTOCOL: 'http/protobuf',
        LOGS_ENDPOINT: 'https://h/x',
      },
      {
        shared: {
          signal: 'shared',
          endpointPresent: true,
          endpointParsedAsURL: true,
          protocolPresent: true,
          effectiveProtocol: 'http/protobuf',
          effectiveAuthMode: 'none',
        },
        traces: {
          signal: 'traces',
          endpointPresent: true,
          endpointParsedAsURL: true,
          protocolPresent: true,
          effectiveProtocol: 'http/protobuf',
          effectiveAuthMode: 'none',
        },
        logs: {
          signal: 'logs',
          endpointPresent: true,
          endpointParsedAsURL: true,
          endpointHasPath: true,
          effectiveAuthMode: 'none',
          overrideKinds: ['endpoint'],
        },
      },
    ],
    [
      'a client certificate',
      { CLIENT_KEY: '/x', CLIENT_CERTIFICATE: '/y' },
      { shared: { signal: 'shared', clientCertificatePresent: true, clientKeyPresent: true, effectiveAuthMode: 'mtls' } },
    ],
  ]
  for (const [name, variables, expected] of cases)
    test(name, () => assert.deepEqual(inventory(variables), { pipeEnabled: true, ...expected }))

  test('never holds a value', () => {
    const secret = 'c2VjcmV0'
    const text = JSON.stringify(
      inventory({
        HEADERS: `authorization=${secret}`,
        ENDPOINT: `http://user:${secret}@host`,
        CLIENT_KEY: secret,
        TRACES_CERTIFICATE: secret,
      }),
    )
    assert.ok(!text.includes(secret), text)
  })
})

test('headers are pairs, percent-decoded; what is none is left out', () => {
  assert.deepEqual(readHeaders('api-key=abc%20d, X-Team = red ;meta=1,=x,broken,b\u0000ad=1,c=%ZZ,d=%0aevil'), {
    'api-key': 'abc d',
    'x-team': 'red',
  })
})
