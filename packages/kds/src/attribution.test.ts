// CVE-2026-18674 and its relatives: zone-b claims to be zone-a in every place there is. Nothing of zone-a changes, what is stored is zone-b's,
// and every kind of claim is counted and in the change log in zone-b's name.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from '@weft/foundation/metrics'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { codec } from '@weft/proto'
import { kdsName } from '@weft/resources'
import type { Change } from '@weft/store'
import { claimsPrefix, createClaimLog } from './attribution.ts'
import { createKdsServer } from './server.ts'
import { type Member, memberOf, memoryStore, serverOptions, until } from './testing/federation.ts'
import { decodeRequest, encodeRequest, encodeResponse, jsonResource, methods, type RawStream, rawZone } from './testing/raw-zone.ts'
import { isNamedByZone, zoneOfName } from './zone-names.ts'

type Response = Parameters<typeof encodeResponse>[0]

interface Scene extends Member {
  readonly port: number
  /** Claims that were put into the change log, as `place claimed result`, and who put them. */
  readonly audited: string[]
  counted(): Promise<string>
}

async function attack(run: (scene: Scene) => Promise<void>): Promise<void> {
  const store = memoryStore()
  const metrics = createMetrics()
  const server = createKdsServer(serverOptions(store, { metrics }))
  await server.start()
  const member = memberOf(store)
  await member.put('Zone', '', 'zone-a', { enabled: true })
  const audited: string[] = []
  store.watch(store.seq, (changes) => audited.push(...changes.flatMap(claimsIn)))
  try {
    await run({ ...member, port: server.port, audited, counted: async () => (await metrics.expose()).text })
  } finally {
    await server.stop()
    await store.close()
  }
}

function claimsIn({ key, actor, class: writeClass, after, before }: Change): readonly string[] {
  if (!key.name.startsWith(claimsPrefix)) return []
  const read = (spec: unknown): { place: string; claimed: string; result: string }[] =>
    spec ? JSON.parse((spec as { config: string }).config).claims : []
  const known = read(before?.spec).length
  return read(after?.spec)
    .slice(known)
    .map(({ place, claimed, result }) => `${actor} ${writeClass} ${place} ${claimed} ${result}`)
}

const service = { ports: [{ port: 80 }] }
const wireName = (zone: string, name: string): string => kdsName({ mesh: 'default', name, labels: { 'kuma.io/zone': zone } })
const ofZone = (zone: string) => ({ 'kuma.io/zone': zone, 'kuma.io/origin': 'zone', 'kuma.io/display-name': 'web' })

async function answerTo(stream: RawStream, response: Response): Promise<string | undefined> {
  stream.send(encodeResponse(response))
  for (;;) {
    const request = decodeRequest(await stream.next())
    if (request.responseNonce === response.nonce) return request.errorDetail?.message ?? undefined
  }
}

test('an identifier, a label or an origin of another zone: stored as its own', () =>
  attack(async ({ port, store, audited, counted }) => {
    await using zone = rawZone('zone-b', port)
    const stream = zone.open(methods.zoneToGlobal)
    const nack = await answerTo(stream, {
      typeUrl: 'MeshService',
      nonce: '1',
      controlPlane: { identifier: 'zone-a' },
      resources: [
        jsonResource('default', wireName('zone-b', 'web'), service, ofZone('zone-a')),
        jsonResource('default', wireName('zone-b', 'api'), service, { 'kuma.io/origin': 'global', 'kuma.io/display-name': 'api' }),
      ],
    })
    assert.equal(nack, undefined)
    for (const { labels } of store.list('MeshService'))
      assert.deepEqual([labels['kuma.io/zone'], labels['kuma.io/origin']], ['zone-b', 'zone'])
    assert.equal(store.list('MeshService').length, 2)
    await until(() => audited.length === 3)
    assert.deepEqual(audited.toSorted(), [
      'zone:zone-b desired identifier zone-a rewritten',
      'zone:zone-b desired origin global rewritten',
      'zone:zone-b desired zone-label zone-a rewritten',
    ])
    const text = await counted()
    for (const place of ['identifier', 'origin', 'zone-label'])
      assert.match(text, new RegExp(`kds_zone_attribution_rewrites_total\\{place="${place}",result="rewritten"\\} 1`))
  }))

test('a node of another zone, on every request: the session stays what it is', () =>
  attack(async ({ port, store, audited }) => {
    await using zone = rawZone('zone-b', port)
    const stream = zone.open(methods.globalToZone)
    const node = { ...zone.node(), id: 'zone-a' }
    stream.send(encodeRequest({ node, typeUrl: 'Mesh', resourceNamesSubscribe: ['*'] }))
    await stream.next()
    await until(() => audited.length === 1)
    assert.deepEqual(audited, ['zone:zone-b desired node zone-a rewritten'])
    assert.equal(store.get({ type: 'ZoneInsight', mesh: '', name: 'zone-a' }), undefined)
  }))

test('the zone tag of a gateway is rewritten', () =>
  attack(async ({ port, store, audited }) => {
    await using zone = rawZone('zone-b', port)
    const stream = zone.open(methods.zoneToGlobal)
    const name = wireName('zone-b', 'gw')
    const spec = codec('kuma.mesh.v1alpha1.Dataplane').encode({
      networking: { address: '10.0.0.1', gateway: { tags: { 'kuma.io/zone': 'zone-a', 'kuma.io/service': 'gw' } } },
    })
    const value = codec('kuma.mesh.v1alpha1.KumaResource').encode({
      meta: { name, mesh: 'default', labels: { 'kuma.io/display-name': 'gw' } },
      spec: { typeUrl: 'type.googleapis.com/kuma.mesh.v1alpha1.Dataplane', value: spec },
    })
    const resource = {
      name: `${name}.default`,
      version: '1',
      resource: { typeUrl: 'type.googleapis.com/kuma.mesh.v1alpha1.KumaResource', value },
    }
    assert.equal(await answerTo(stream, { typeUrl: 'Dataplane', nonce: '1', resources: [resource] }), undefined)
    const stored = store.get({ type: 'Dataplane', mesh: 'default', name })
    assert.match(JSON.stringify(stored?.spec), /"kuma.io\/zone":"zone-b"/)
    await until(() => audited.length === 1)
    assert.deepEqual(audited, ['zone:zone-b desired gateway-tag zone-a rewritten'])
  }))

test('names of another zone are refused, whatever the display name says', () =>
  attack(async ({ port, store, audited }) => {
    await using zone = rawZone('zone-b', port)
    const stream = zone.open(methods.zoneToGlobal)
    const victim = wireName('zone-a', 'web')
    const resources = [
      jsonResource('default', victim, service, ofZone('zone-a')),
      jsonResource('default', wireName('zone-a', 'api'), service, { 'kuma.io/display-name': 'mine' }),
      jsonResource('default', 'zone-a.web', service),
      jsonResource('default', wireName('zone-b', 'zone-a'), service, { 'kuma.io/display-name': 'zone-a' }),
    ]
    const nack = (await answerTo(stream, { typeUrl: 'MeshService', nonce: '1', resources })) ?? ''
    assert.equal(nack.match(/the name is one of zone zone-a, not of zone-b/g)?.length, 3, nack)
    // a display name is only a name
    assert.deepEqual(
      store.list('MeshService').map(({ name, labels }) => [name, labels['kuma.io/zone']]),
      [[wireName('zone-b', 'zone-a'), 'zone-b']],
    )
    await until(() => audited.length === 1)
    assert.deepEqual(audited, ['zone:zone-b desired name zone-a rejected'])
  }))

test('a zone can neither change nor delete what another one stored', () =>
  attack(async ({ port, store, audited }) => {
    await using a = rawZone('zone-a', port)
    await using b = rawZone('zone-b', port)
    const own = a.open(methods.zoneToGlobal)
    // no hash: such names are first come, first served
    await answerTo(own, { typeUrl: 'MeshService', nonce: '1', resources: [jsonResource('default', 'web', service)] })
    const before = store.list('MeshService')
    const foe = b.open(methods.zoneToGlobal)
    const other = { ports: [{ port: 6666 }] }
    const nack = await answerTo(foe, { typeUrl: 'MeshService', nonce: '1', resources: [jsonResource('default', 'web', other)] })
    assert.match(nack ?? '', /already exists here and belongs to someone else/)
    await answerTo(foe, { typeUrl: 'MeshService', nonce: '2', removedResources: ['web.default'] })
    assert.deepEqual(store.list('MeshService'), before)
    await until(() => audited.length === 2)
    assert.deepEqual(audited, ['zone:zone-b desired name zone-a rejected', 'zone:zone-b desired removal zone-a rejected'])
  }))

test('who took a name before its zone joined gives it back', () =>
  attack(async ({ port, store, audited }) => {
    const name = kdsName({ mesh: 'default', name: 'web', labels: { 'kuma.io/zone': 'zone-later' } })
    await using b = rawZone('zone-b', port)
    const foe = b.open(methods.zoneToGlobal)
    await answerTo(foe, { typeUrl: 'MeshService', nonce: '1', resources: [jsonResource('default', name, { ports: [{ port: 6666 }] })] })
    assert.equal(store.list('MeshService')[0]?.labels['kuma.io/zone'], 'zone-b')
    await using later = rawZone('zone-later', port)
    const own = later.open(methods.zoneToGlobal)
    const nack = await answerTo(own, {
      typeUrl: 'MeshService',
      nonce: '1',
      resources: [jsonResource('default', name, service, { 'kuma.io/display-name': 'web' })],
    })
    assert.equal(nack, undefined)
    assert.equal(store.list('MeshService')[0]?.labels['kuma.io/zone'], 'zone-later')
    await until(() => audited.length === 1)
    assert.deepEqual(audited, ['zone:zone-b desired name zone-later rejected'])
    // and cannot take it again
    const again = await answerTo(foe, {
      typeUrl: 'MeshService',
      nonce: '2',
      resources: [jsonResource('default', name, { ports: [{ port: 1 }] })],
    })
    assert.match(again ?? '', /one of zone zone-later/)
  }))

test('names that a zone may have', () => {
  const others = (): readonly string[] => ['zone-a', 'zone-b']
  const resource = (name: string, labels: Readonly<Record<string, string>> = {}) => ({ mesh: 'default', name, labels })
  assert.equal(zoneOfName(resource('web-h1'), 'zone-b', others), undefined)
  assert.equal(zoneOfName(resource('zone-b.web'), 'zone-b', others), undefined)
  assert.equal(zoneOfName(resource('zone-ab.web'), 'zone-b', others), undefined)
  const namespaced = { 'kuma.io/display-name': 'web', 'kuma.io/zone': 'zone-b', 'k8s.kuma.io/namespace': 'shop' }
  const name = kdsName({ mesh: 'default', name: 'x', labels: namespaced })
  assert.equal(isNamedByZone(resource(name, namespaced), 'zone-b'), true)
  assert.equal(isNamedByZone(resource(name, namespaced), 'zone-a'), false)
  const long = 'w'.repeat(240)
  const cut = kdsName({ mesh: 'default', name: long, labels: { 'kuma.io/zone': 'zone-b' } })
  assert.equal(isNamedByZone(resource(cut, { 'kuma.io/display-name': long }), 'zone-b'), true)
})

test('a flood of different claims is counted in full and kept in part, over restarts too', async () => {
  const store = memoryStore()
  let entries = 0
  store.watch(0, () => entries++)
  const metrics = createMetrics()
  const claim = createClaimLog({ store, clock: systemClock, log: silentLogger, metrics })
  const flood = (from: number): void => {
    for (let index = from; index < from + 500; index++)
      claim({
        zone: 'zone-b',
        place: 'zone-label',
        claimed: `z${index}`,
        key: { type: 'Dataplane', mesh: 'm', name: `n${index}` },
        result: 'rewritten',
      })
  }
  flood(0)
  await until(() => entries === 1)
  flood(500)
  flood(0)
  createClaimLog({ store, clock: systemClock, log: silentLogger })({
    zone: 'zone-b',
    place: 'zone-label',
    claimed: 'z1',
    key: { type: 'Dataplane', mesh: 'm', name: 'x' },
    result: 'rewritten',
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(entries, 1)
  const kept = store.get({ type: 'Config', mesh: '', name: `${claimsPrefix}zone-b` })
  assert.ok(kept)
  assert.equal(JSON.parse((kept.spec as { config: string }).config).claims.length, 100)
  assert.match((await metrics.expose()).text, /kds_zone_attribution_rewrites_total\{place="zone-label",result="rewritten"\} 1500/)
  await store.close()
})
