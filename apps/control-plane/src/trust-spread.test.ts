import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TrustFact } from '@weft/facts'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createGraph } from '@weft/graph'
import { createMeshCa, fingerprintOf, parseCertificates } from '@weft/identity'
import { trustedName } from '@weft/kds'
import { createProxyStreams, type ProxyStream } from './proxy-streams.ts'
import { createTrustSpread } from './trust-spread.ts'

const kri = 'kri_mid_default_east__identity_'
const root = async (): Promise<{ readonly pem: string; readonly fingerprint: string }> => {
  const { certificatePem } = await createMeshCa({ trustDomain: 'default.east.mesh.local', now: Date.now() })
  const [certificate] = parseCertificates(certificatePem)
  assert.ok(certificate)
  return { pem: certificatePem, fingerprint: fingerprintOf(certificate) }
}

interface FakeStream extends ProxyStream {
  closed: boolean
  /** Undefined: it asked for no bundle. */
  bundle: boolean | undefined
  resumed: boolean
  catchUp(): Promise<void>
}

function streamOf(bundle: boolean | undefined): FakeStream {
  const { promise, resolve } = Promise.withResolvers<void>()
  const stream: FakeStream = {
    closed: false,
    bundle,
    resumed: true,
    settled: true,
    asked: async () => {},
    runs: () => stream.bundle,
    caughtUp: () => promise,
    ackedVersion: () => undefined,
    ackedVersions: () => new Map(),
    catchUp: async () => {
      resolve()
      await new Promise((done) => setImmediate(done))
    },
  }
  return stream
}

function setUp(isFederated = true) {
  const graph = createGraph({ clock: new FakeClock(), log: silentLogger })
  const trust = graph.source<TrustFact>('trust')
  graph.start()
  const streams = createProxyStreams()
  const elsewhere = new Set<string>()
  const reports: (readonly string[])[] = []
  const advanced: string[] = []
  const looked: string[] = []
  const comingBack = new Set<string>()
  const client = {
    isTrustedElsewhere: (name: string) => elsewhere.has(name),
    reportTrusted: (names: ReadonlySet<string>) => void reports.push([...names].sort()),
  }
  const spread = createTrustSpread({
    streams,
    trust,
    client: () => (isFederated ? client : undefined),
    areComingBack: (mesh) => comingBack.has(mesh),
    onAdvanced: (of) => advanced.push(of),
    onProxy: (proxyKey) => looked.push(proxyKey),
  })
  const stop = spread.start()
  return {
    spread,
    elsewhere,
    reports,
    advanced,
    looked,
    comingBack,
    stop,
    trusts: (...pems: readonly string[]) =>
      graph.transact('test', () => trust.set('default', { mesh: 'default', domains: [{ name: 'd', pem: pems.join('\n') }] })),
    connect: (name: string, bundle: boolean | undefined = true): FakeStream => {
      const stream = streamOf(bundle)
      streams.opened(`default/${name}`, stream)
      spread.onStream(`default/${name}`, stream)
      return stream
    },
    progress: (name: string) => {
      streams.progressed(`default/${name}`)
      spread.progressed(`default/${name}`)
    },
  }
}

describe('a new authority', () => {
  it('may issue once every connected proxy and every other zone trusts it', async () => {
    const { spread, trusts, connect, progress, elsewhere, advanced, reports } = setUp()
    const [old, next] = [await root(), await root()]
    trusts(old.pem)
    const a = connect('a')
    const b = connect('b')
    await a.catchUp()
    await b.catchUp()
    assert.deepEqual(reports, [[trustedName('default', old.fingerprint)]])
    for (const stream of [a, b]) stream.bundle = false
    trusts(old.pem, next.pem)
    assert.equal(spread.isSpread(kri, next.fingerprint), false)
    a.bundle = true
    progress('a')
    assert.equal(reports.length, 1)
    assert.deepEqual(advanced, [])
    b.bundle = true
    progress('b')
    assert.deepEqual(reports[1], [old.fingerprint, next.fingerprint].map((of) => trustedName('default', of)).sort())
    assert.equal(spread.isSpread(kri, next.fingerprint), false)
    elsewhere.add(trustedName('default', next.fingerprint))
    spread.advance()
    assert.deepEqual(advanced, [kri])
    assert.equal(spread.isSpread(kri, next.fingerprint), true)
    // what was true once stays
    connect('late', false)
    assert.equal(spread.isSpread(kri, next.fingerprint), true)
  })

  it('waits for nobody who left, asked for no trust or is elsewhere when there is no global', async () => {
    const { spread, trusts, connect, progress } = setUp(false)
    const next = await root()
    trusts(next.pem)
    const leaving = connect('leaving', false)
    const plain = connect('plain', undefined)
    assert.equal(spread.isSpread(kri, next.fingerprint), false)
    await plain.catchUp()
    assert.equal(spread.isSpread(kri, next.fingerprint), false)
    leaving.closed = true
    progress('leaving')
    assert.equal(spread.isSpread(kri, next.fingerprint), true)
  })

  it('waits for proxies that are on their way back', async () => {
    const { spread, trusts, comingBack, advanced } = setUp(false)
    const next = await root()
    comingBack.add('default')
    trusts(next.pem)
    assert.equal(spread.isSpread(kri, next.fingerprint), false)
    spread.advance()
    assert.deepEqual(advanced, [])
    comingBack.clear()
    spread.advance()
    assert.deepEqual(advanced, [kri])
  })

  it('waits for a proxy that has not shown what it runs', async () => {
    const { spread, trusts, connect, looked } = setUp(false)
    const next = await root()
    trusts(next.pem)
    const fresh = connect('fresh')
    assert.equal(spread.isSpread(kri, next.fingerprint), false)
    await fresh.catchUp()
    assert.equal(spread.isSpread(kri, next.fingerprint), true)
    assert.deepEqual(looked, ['default/fresh'])
  })

  it('waits for no proxy that is new, once that is known', async () => {
    const { spread, trusts, connect } = setUp(false)
    const next = await root()
    trusts(next.pem)
    spread.registered('default/new')
    assert.equal(spread.isSpread(kri, next.fingerprint), false)
    connect('new', undefined).resumed = false
    await new Promise((done) => setImmediate(done))
    assert.equal(spread.isSpread(kri, next.fingerprint), true)
  })

  it('waits for no proxy that never came', async () => {
    const { spread, trusts } = setUp(false)
    const next = await root()
    trusts(next.pem)
    spread.registered('default/gone')
    assert.equal(spread.isSpread(kri, next.fingerprint), false)
    spread.gone('default/gone')
    assert.equal(spread.isSpread(kri, next.fingerprint), true)
  })

  it('is not trusted before its root is in the bundle, and bad roots hide no good ones', async () => {
    const { spread, trusts, stop } = setUp(false)
    const next = await root()
    assert.equal(spread.isSpread(kri, next.fingerprint), false)
    trusts('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', next.pem)
    assert.equal(spread.isSpread(kri, next.fingerprint), true)
    stop()
  })
})
