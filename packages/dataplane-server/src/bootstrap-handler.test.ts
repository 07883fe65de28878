import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import {
  createEnvoyAdminCa,
  createKeyRing,
  createServerCertificate,
  createTokenIssuer,
  createTokenVerifier,
  issueAdminCertificate,
  loadCertificateAuthority,
} from '@weft/identity'
import type { Store } from '@weft/store'
import { type BootstrapAnswer, type BootstrapHandlerOptions, createBootstrapHandler } from './bootstrap-handler.ts'
import { defaultDataplaneServerSettings } from './settings.ts'
import { dataplaneText, mesh, meshStore, put } from './testing/server-fixture.ts'

const clock = new FakeClock(Date.now())
let certificatePem = ''
let leafPem = ''
before(async () => {
  certificatePem = (await createServerCertificate({ hosts: ['localhost', '127.0.0.1', '::1'], commonName: 'cp', now: clock.now() }))
    .certificatePem
  const root = await loadCertificateAuthority({ ...(await createEnvoyAdminCa(clock.now())), allowSelfSigned: true, now: clock.now() })
  leafPem = (await issueAdminCertificate(root, { usage: 'server', name: 'localhost', now: clock.now() })).certificatePem
})

async function setUp(change: Partial<BootstrapHandlerOptions> = {}) {
  const store = await meshStore(clock)
  const keys = createKeyRing({ secrets: store })
  const handle = createBootstrapHandler({
    store,
    tokens: createTokenVerifier({ keys, clock }),
    settings: defaultDataplaneServerSettings,
    certificatePem: () => certificatePem,
    port: () => 5678,
    lookup: async () => ['127.0.0.1'],
    log: silentLogger,
    ...change,
  })
  const token = await createTokenIssuer({ keys, clock }).dataplane({ mesh, workload: 'web' })
  const body = {
    mesh,
    name: 'web-1',
    proxyType: 'dataplane',
    dataplaneToken: token,
    dataplaneResource: dataplaneText('web-1'),
    workdir: '/w',
    readinessPort: 9902,
  }
  const ask = (fields: object = {}, call: { host?: string; accept?: string; address?: string } = {}): Promise<BootstrapAnswer> =>
    handle({
      body: JSON.stringify({ ...body, ...fields }),
      host: call.host ?? 'localhost:5678',
      accept: call.accept ?? 'application/json',
      address: call.address ?? '10.0.0.9',
    })
  return { store, handle, ask, token, keys }
}
const decoded = (answer: BootstrapAnswer) => JSON.parse(Buffer.from(JSON.parse(answer.body).bootstrap, 'base64').toString())

describe('a bootstrap that is granted', () => {
  it('comes with what the launcher needs beside it', async () => {
    const { ask } = await setUp()
    const answer = await ask()
    assert.deepEqual([answer.status, answer.contentType], [200, 'application/json'])
    assert.deepEqual(JSON.parse(answer.body).kumaSidecarConfiguration, {
      networking: { address: '127.0.0.1' },
      metrics: { aggregate: null },
    })
    assert.equal(decoded(answer).node.cluster, 'web')
  })

  it('comes bare to who does not ask for JSON', async () => {
    const { ask } = await setUp()
    const answer = await ask({}, { accept: '*/*' })
    assert.equal(answer.contentType, 'text/x-yaml')
    assert.equal(JSON.parse(answer.body).node.id, 'default.web-1')
  })

  it('names the control plane as the proxy did', async () => {
    const { ask } = await setUp()
    const addressOf = (bootstrap: {
      staticResources: {
        clusters: {
          name: string
          loadAssignment: { endpoints: { lbEndpoints: { endpoint: { address: { socketAddress: unknown } } }[] }[] }
        }[]
      }
    }): unknown =>
      bootstrap.staticResources.clusters.find((each) => each.name === 'system_ads')?.loadAssignment.endpoints[0]?.lbEndpoints[0]?.endpoint
        .address.socketAddress
    assert.deepEqual(addressOf(decoded(await ask())), { address: 'localhost', portValue: 5678 })
    assert.deepEqual(addressOf(decoded(await ask({}, { host: '127.0.0.1:31000' }))), { address: '127.0.0.1', portValue: 5678 })
    assert.deepEqual(addressOf(decoded(await ask({}, { host: '[::1]:5678' }))), { address: '::1', portValue: 5678 })
    const configured = await setUp({ settings: { ...defaultDataplaneServerSettings, xdsHost: 'cp.example', xdsPort: 15678 } })
    assert.deepEqual(addressOf(decoded(await configured.ask({}, { host: 'anything' }))), { address: 'cp.example', portValue: 15678 })
  })

  it('takes a stored Dataplane where the proxy brings none', async () => {
    const { ask, store } = await setUp()
    assert.deepEqual(await ask({ dataplaneResource: '' }), { status: 404, body: '' })
    await put(store, {
      type: 'Dataplane',
      mesh,
      name: 'web-1',
      labels: { 'kuma.io/workload': 'web' },
      spec: { networking: { address: '10.1.1.1', admin: { port: 9912 } } },
    })
    const answer = await ask({ dataplaneResource: undefined })
    assert.equal(decoded(answer).node.metadata['dataplane.admin.port'], '9912')
    assert.equal(JSON.parse(answer.body).kumaSidecarConfiguration.networking.address, '10.1.1.1')
  })

  it('trusts what its launcher trusted, else our own authority', async () => {
    const { ask } = await setUp()
    const trusted = async (fields: object): Promise<string> =>
      Buffer.from(decoded(await ask(fields)).staticResources.secrets[0].validationContext.trustedCa.inlineBytes, 'base64').toString()
    assert.equal((await trusted({})).trim(), certificatePem.trim())
    const { certificatePem: other } = await createEnvoyAdminCa(clock.now())
    assert.equal(await trusted({ caCert: other }), other)
  })

  it('does not judge a token it has no key for, or cannot see', async () => {
    const { ask, store, token } = await setUp()
    const [, claims, signature] = token.split('.')
    const header = Buffer.from(JSON.stringify({ alg: 'RS256', kid: '2', typ: 'JWT' })).toString('base64url')
    assert.equal((await ask({ dataplaneToken: `${header}.${claims}.${signature}` })).status, 200, 'key 2 may be on its way')
    assert.equal((await ask({ dataplaneToken: '', dataplaneTokenPath: '/run/token' })).status, 200)
    await store.transact([{ op: 'delete', key: { type: 'Secret', mesh, name: 'dataplane-token-signing-key-default-1' } }], {
      actor: 'user:x',
      reason: 'x',
      class: 'desired',
    })
    assert.equal((await ask()).status, 200)
  })
})

describe('a bootstrap that is refused', () => {
  const networking = (change: object) => ({ dataplaneResource: dataplaneText('web-1', { networking: change }) })
  const table: [string, object, { host?: string }, number, RegExp | ''][] = [
    [
      'without token',
      { dataplaneToken: ' ' },
      {},
      422,
      /^Dataplane Token is required\. Generate token using 'kumactl generate dataplane-token/,
    ],
    ['with a bad token', { dataplaneToken: 'x.y.z' }, {}, 422, /^token is not valid/],
    [
      'for a workload the token is not for',
      { dataplaneResource: dataplaneText('web-1', { labels: { 'kuma.io/workload': 'other' } }) },
      {},
      422,
      /for workload "web"/,
    ],
    [
      'by a name the certificate lacks',
      {},
      { host: 'evil.example:5678' },
      400,
      /^A data plane proxy is trying to connect to the control plane using "evil.example" address, but the certificate in the control plane has the following SANs \["localhost" "127.0.0.1" /,
    ],
    ['without any name', {}, { host: '' }, 400, /using "" address/],
    ['for a zone proxy of the old kind', { proxyType: 'ingress' }, {}, 422, /proxy type "ingress" is not supported/],
    ['with a Dataplane that is not JSON', { dataplaneResource: '{{{' }, {}, 422, /not JSON/],
    [
      'without networking',
      { dataplaneResource: JSON.stringify({ type: 'Dataplane', mesh, name: 'web-1' }) },
      {},
      422,
      /^networking: must be defined$/,
    ],
    ['with networking of a wrong type', networking({ inbound: { a: 1 } }), {}, 422, /^networking\.inbound/],
    [
      'for a mesh that does not exist',
      {
        mesh: 'nope',
        dataplaneToken: '',
        dataplaneTokenPath: '/t',
        dataplaneResource: dataplaneText('web-1').replace('"default"', '"nope"'),
      },
      {},
      422,
      /^mesh: mesh "nope" does not exist$/,
    ],
    ['with a Dataplane of another name', { name: 'web-2' }, {}, 422, /of mesh "default" and name "web-1"/],
    ['for a Dataplane nobody made yet', { dataplaneResource: '' }, {}, 404, ''],
    ['with a CA that is no certificate', { caCert: 'garbage' }, {}, 400, /not a certificate/],
  ]
  for (const [name, fields, call, status, body] of table) {
    it(name, async () => {
      const { ask } = await setUp()
      const answer = await ask(fields, call)
      if (body === '') assert.equal(answer.body, '')
      else assert.match(answer.body, body)
      assert.equal(answer.status, status)
      assert.equal(answer.contentType, body === '' ? undefined : 'text/plain; charset=utf-8')
    })
  }

  it('with a CA that is none', async () => {
    const { ask } = await setUp()
    const answer = await ask({ caCert: leafPem })
    assert.equal(answer.status, 400)
    assert.match(answer.body, /not a certificate authority/)
    const own = await setUp({ certificatePem: () => leafPem })
    assert.equal((await own.ask()).status, 400)
  })

  it('without a text while the mesh may still be on its way', async () => {
    const { ask } = await setUp({ isComplete: () => false })
    const fields = {
      mesh: 'new',
      dataplaneToken: '',
      dataplaneTokenPath: '/t',
      dataplaneResource: dataplaneText('web-1').replace('"default"', '"new"'),
    }
    assert.deepEqual(await ask(fields), { status: 503, body: '' })
  })

  it('for anything that is no JSON object', async () => {
    const { handle } = await setUp()
    for (const body of ['', '{', 'null', '[]', '"x"'])
      assert.deepEqual(await handle({ body, host: 'localhost', accept: '', address: '10.0.0.9' }), { status: 400, body: '' })
  })

  it('with 500 and no text when something here fails', async () => {
    const failing: Pick<Store, 'get'> = {
      get: () => {
        throw new Error('secret detail')
      },
    }
    const { ask } = await setUp({ store: failing })
    assert.deepEqual(await ask(), { status: 500, body: '' })
  })
})
