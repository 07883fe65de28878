// A stock v3 zone at our sync server in this process, where every response and answer can be seen. Numbers in names are those of the cases in
// contract/kds.md section 18.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { until } from '../../apps/demo/src/rest.ts'
import { type KdsServer, silentRecorder } from '../../packages/kds/src/contract.ts'
import { createKdsServer, type KdsServerOptions } from '../../packages/kds/src/server.ts'
import { localCertificate } from '../../packages/kds/src/testing/certificate.ts'
import { type Member, memberOf, memoryStore, serverOptions } from '../../packages/kds/src/testing/federation.ts'
import { policyDescriptors } from '../../packages/policies/src/index.ts'
import { coreDescriptors, createRegistry, validateResource } from '../../packages/resources/src/index.ts'
import { listing, mesh, stockGlobal } from '../../packages/kds/src/testing/raw-global.ts'
import { decodeRequest, jsonResource } from '../../packages/kds/src/testing/raw-zone.ts'
import { type Federation, federation, type Peer } from './peers.ts'
import { withoutStock } from './reference.ts'

const registry = createRegistry([...coreDescriptors, ...policyDescriptors])
const goldens = join(process.env['WEFT_LAB'] ?? '', 'goldens')
const timeouts = '/meshes/default/meshtimeouts'
const to = (connectionTimeout: unknown): unknown => ({ to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout } }] })

interface Counted {
  readonly type: string
  readonly outcome: 'sent' | 'acknowledged' | 'rejected'
  readonly failure: string | undefined
  readonly at: number
}

interface Scene extends AsyncDisposable, Member {
  readonly fed: Federation
  readonly server: KdsServer
  readonly zone: Peer
  readonly counted: Counted[]
  /** Subscriptions opened so far: more than one means that the zone started over. */
  readonly opened: string[]
  readonly pings: number[]
  /** Every type is accepted in its present state. */
  settled(): Promise<void>
}

interface SceneOptions {
  readonly zoneEnv?: Readonly<Record<string, string>>
  /** Writes before the zone starts. */
  readonly before?: (member: Member) => Promise<void>
  /** Types that are sent to it. */
  readonly types?: number
}

async function scene(extra: Partial<KdsServerOptions> = {}, { zoneEnv = {}, before, types = 29 }: SceneOptions = {}): Promise<Scene> {
  const store = memoryStore()
  const counted: Counted[] = []
  const opened: string[] = []
  const pings: number[] = []
  const server = createKdsServer({
    ...serverOptions(store),
    registry,
    recorder: {
      ...silentRecorder,
      subscriptionOpened: ({ id }) => void opened.push(id),
      responseCounted: (_zone, _id, type, outcome, failure) => void counted.push({ type, outcome, failure, at: performance.now() }),
      healthChecked: () => void pings.push(performance.now()),
    },
    ...extra,
  })
  await server.start()
  const member = memberOf(store)
  await member.put('Mesh', '', 'default', {})
  await before?.(member)
  const dial = `${extra.tls ? 'grpcs' : 'grpc'}://localhost:${server.port}`
  const fed = await federation({ global: 'ours', zones: { east: 'stock' }, dial, zoneEnv })
  await fed.zone('east').start()
  await until(
    `${types} types`,
    async () => new Set(counted.filter(({ outcome }) => outcome === 'acknowledged').map(({ type }) => type)).size >= types,
  )
  return {
    ...member,
    fed,
    server,
    zone: fed.zone('east'),
    counted,
    opened,
    pings,
    settled: async () => {
      await until('all accepted', async () => server.zones()[0]?.inSync ?? false)
    },
    [Symbol.asyncDispose]: async () => {
      await fed[Symbol.asyncDispose]()
      await server.stop()
      await store.close()
    },
  }
}

describe('a stock v3 zone at our sync server', { skip: withoutStock, concurrency: 1, timeout: 1_000_000 }, () => {
  test('6: a policy the zone refuses is named, its sibling is stored, the stream goes on', async () => {
    await using at = await scene()
    const context = { actor: 'user:test', reason: 'api', class: 'desired' } as const
    const put = (name: string, spec: unknown) =>
      ({ op: 'put', resource: { type: 'MeshTimeout', mesh: 'default', name, labels: {}, spec } }) as const
    await at.store.transact(
      [put('bad', { targetRef: { kind: 'MeshService', name: 'x' }, ...(to('3s') as object) }), put('good', to('3s'))],
      context,
    )
    await until('refusal', async () => at.counted.some(({ outcome }) => outcome === 'rejected'))
    assert.match(at.counted.find(({ outcome }) => outcome === 'rejected')?.failure ?? '', /MeshService/)
    await until('the good one', async () => (await at.zone.find(timeouts, 'good')) !== undefined)
    assert.equal(await at.zone.find(timeouts, 'bad'), undefined)
    await at.put('MeshTimeout', 'default', 'later', to('4s'))
    await until('a later one', async () => (await at.zone.find(timeouts, 'later')) !== undefined)
    assert.equal(at.opened.length, 1)
  })

  test('7: nothing that passes our own checks makes a zone start over; what cannot be decoded does', async (t) => {
    await using at = await scene()
    let count = 0
    for (const file of readdirSync(goldens, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.input.yaml')))
      for (const document of parseAllDocuments(readFileSync(join(goldens, file), 'utf8'))) {
        const value: unknown = document.errors.length > 0 ? undefined : document.toJS()
        const { type, spec } = (value ?? {}) as { readonly type?: unknown; readonly spec?: unknown }
        const kind = typeof type === 'string' ? registry.get(type) : undefined
        if (!kind || (!kind.policy && kind.type !== 'MeshExternalService') || kind.scope !== 'Mesh' || typeof spec !== 'object') continue
        const resource = { mesh: 'default', name: `from-golden-${count}`, labels: {}, spec }
        if (validateResource(kind, resource, { from: 'peer' }).length > 0) continue
        await at.put(kind.type, 'default', resource.name, spec)
        count++
      }
    t.diagnostic(`${count} resources of the expected answers`)
    assert.ok(count > 30)
    await until('all answered', async () => {
      const answered = at.counted.filter(({ outcome }) => outcome !== 'sent').length
      return answered === at.counted.length - answered
    })
    await at.put('MeshTimeout', 'default', 'last', to('3s'))
    await until('the last one', async () => (await at.zone.find(timeouts, 'last')) !== undefined)
    assert.equal(at.opened.length, 1, 'the zone started over')
    // a number where the peer expects text: the zone ends its session, and again with the same bytes
    await at.put('MeshTimeout', 'default', 'undecodable', to(5))
    await until('a new start', async () => at.opened.length > 1)
  })

  test('10: TLS with a private authority, verified, and compressed requests', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'wc-'))
    const file = join(folder, 'ca.pem')
    writeFileSync(file, localCertificate.pem)
    const certificate = { certificatePem: localCertificate.pem, privateKeyPem: localCertificate.key }
    // a stock zone compresses everything it sends
    await using at = await scene(
      { tls: { server: { current: certificate, onChange: () => () => {} } } },
      { zoneEnv: { KUMA_MULTIZONE_ZONE_KDS_ROOT_CA_FILE: file, KUMA_MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY: 'false' } },
    )
    await at.put('MeshTimeout', 'default', 'over-tls', to('3s'))
    await until('policy', async () => (await at.zone.find(timeouts, 'over-tls')) !== undefined)
    rmSync(folder, { recursive: true, force: true })
  })

  test('10: a first list just under 10 MiB is taken whole; one over it is not sent, and everything else goes on', async () => {
    const megabyte = 1024 * 1024
    const data = Buffer.alloc(megabyte, 7).toString('base64')
    /** One by one: a stock API breaks off a list of this size. */
    const secrets = async (zone: Peer): Promise<number> => {
      let found = 0
      for (let index = 0; index < 10; index++) if ((await zone.get(`/meshes/default/secrets/large-${index}`)) !== undefined) found++
      return found
    }
    /** Ten of a megabyte less `spare` altogether. */
    const fill = (spare: number) => async (member: Member) => {
      for (let index = 0; index < 9; index++) await member.put('Secret', 'default', `large-${index}`, { data })
      await member.put('Secret', 'default', 'large-9', { data: Buffer.alloc(megabyte - spare, 7).toString('base64') })
    }
    {
      await using at = await scene({}, { before: fill(16 * 1024) })
      const sent = at.server.status()[0]?.sending.sizes.find(({ type }) => type === 'Secret')
      assert.equal(sent?.state, 'large')
      assert.ok(sent.bytes > 10 * megabyte - 20 * 1024, `${sent.bytes} bytes`)
      assert.equal(await secrets(at.zone), 10)
      assert.equal(at.opened.length, 1)
    }
    await using at = await scene({}, { before: fill(0), types: 28 })
    const secretsSent = () => at.server.status()[0]?.sending.sizes.find(({ type }) => type === 'Secret')
    await until('they are withheld', async () => secretsSent()?.state === 'withheld')
    assert.deepEqual([secretsSent()?.count, secretsSent()?.largest.length], [10, 5])
    await at.put('MeshTimeout', 'default', 'beside', to('3s'))
    await until('a policy', async () => (await at.zone.find(timeouts, 'beside')) !== undefined)
    assert.equal(await secrets(at.zone), 0)
    await at.remove('Secret', 'default', 'large-9')
    await until('the list once it fits', async () => (await secrets(at.zone)) === 9)
    assert.equal(at.opened.length, 1, 'the zone started over')
  })

  test('11: without an admin service at its global a zone syncs all the same', async () => {
    await using global = await stockGlobal(0, { admin: false })
    await using fed = await federation({ global: 'ours', zones: { east: 'stock' }, dial: `grpc://127.0.0.1:${global.port}` })
    await fed.zone('east').start()
    const down = await global.down.take('the stream to the zone')
    const seen = new Set<string>()
    while (!seen.has('Mesh') || !seen.has('MeshTimeout')) seen.add(decodeRequest(await down.next()).typeUrl ?? '')
    down.send(listing('Mesh', 'mesh-1', [mesh('default')]))
    await until('the mesh', async () => (await fed.zone('east').get('/meshes/default')) !== undefined)
    const answers = new Map<string, string>()
    void (async () => {
      for (;;) {
        const { responseNonce = '', errorDetail } = decodeRequest(await down.next())
        answers.set(responseNonce, errorDetail?.message ?? 'accepted')
      }
    })().catch(() => {})
    for (let round = 1; round <= 3; round++) {
      const name = `timeout-${round}`
      const labels = { 'kuma.io/origin': 'global', 'kuma.io/display-name': name, 'kuma.io/mesh': 'default' }
      down.send(listing('MeshTimeout', name, [jsonResource('default', name, to(`${round}s`), labels)]))
      await until(`an answer to policy ${round}`, async () => answers.has(name))
      assert.equal(answers.get(name), 'accepted')
      await until(`policy ${round}`, async () => (await fed.zone('east').find(timeouts, `timeout-${round}`)) !== undefined)
    }
    // it opened everything once: nobody made it start over
    assert.equal(global.down.waiting.length, 0)
  })

  test('11: a zone pings at the interval it is asked for', async () => {
    const before = performance.now()
    await using at = await scene()
    // one that is not asked pings every five minutes
    await until('five pings', async () => at.pings.length >= 5)
    // a busy machine makes some come late, none early: after the first there are four intervals of two seconds
    const [fifth = 0] = at.pings.slice(4)
    assert.ok(fifth - before > 7_000, `the fifth came ${fifth - before} ms after the start`)
  })

  test('25: a write is with the zone within milliseconds', async (t) => {
    await using at = await scene()
    const count = 50
    let seconds = 0
    /** From writes to their acknowledgements, ms, the shortest first. */
    const measured = async (): Promise<readonly number[]> => {
      const times: number[] = []
      for (let round = 0; round < count; round++) {
        await new Promise((resolve) => setTimeout(resolve, 40 + ((round * 37) % 100)))
        const from = at.counted.length
        const start = performance.now()
        await at.put('MeshTimeout', 'default', 'moving', to(`${++seconds}s`))
        const acknowledged = (): Counted | undefined =>
          at.counted.slice(from).find(({ type, outcome }) => type === 'MeshTimeout' && outcome === 'acknowledged')
        await until('acknowledged', async () => acknowledged() !== undefined)
        times.push((acknowledged()?.at ?? 0) - start)
      }
      return times.toSorted((a, b) => a - b)
    }
    // nothing waits for a tick: with one of a second half of the writes would take more than half a second. A busy machine gets another try
    await until('half of the writes are quick', async () => {
      const times = await measured()
      const p50 = times[count / 2] ?? 0
      t.diagnostic(`p50 ${p50.toFixed(1)} ms, max ${(times.at(-1) ?? 0).toFixed(1)} ms from the write to the acknowledgement`)
      return p50 < 150
    })
  })
})
