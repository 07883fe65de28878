import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { ProxyFacts } from '@weft/facts'
import { type ConfByType, effectiveOutbound } from '@weft/policies'
import { destinationLookup } from '@weft/policy'
import type { OutboundClusterKey, OutboundListenerKey } from './generators/outbound.ts'
import type { IngressClusterKey } from './generators/zone-ingress.ts'
import { createSharedOutbounds } from './shared-outbounds.ts'
import { sampleDestination, samplePolicies, samplePolicy } from './testing/sample-facts.ts'

const destination = sampleDestination('backend')
const conf = effectiveOutbound(samplePolicies(), destination, destinationLookup([destination]))

const clusterKey: OutboundClusterKey = { name: destination.id, destination, identitySecret: 'id', clientTags: undefined }
const listenerKey: OutboundListenerKey = {
  name: destination.id,
  destination,
  address: '241.0.0.1',
  port: 80,
  additional: [],
  bindToPort: false,
  terminal: 'http',
  shares: undefined,
  ipv6: true,
}
const otherDestination = { ...destination }

const clusterChanges: { readonly [K in keyof OutboundClusterKey]-?: OutboundClusterKey[K] } = {
  name: 'other',
  destination: otherDestination,
  identitySecret: undefined,
  clientTags: '&app=client&',
}
const listenerChanges: { readonly [K in keyof OutboundListenerKey]-?: OutboundListenerKey[K] } = {
  shares: { text: 'x', byType: {} },
  name: 'other',
  destination: otherDestination,
  address: '241.0.0.2',
  port: 81,
  additional: [{ address: 'fd00::1', port: 80 }],
  bindToPort: true,
  terminal: 'tcp',
  ipv6: false,
}

/** Members of a key that are a proxy's facts, a part that names a proxy, or wide enough to hold one: there must be none. */
type ProxyPart = Pick<ProxyFacts, 'key'> | Pick<ProxyFacts, 'inbounds'> | Pick<ProxyFacts, 'outbounds'> | ProxyFacts['proxy']
type ProxyMembers<Key> = { [K in keyof Key]-?: ProxyFacts extends Key[K] ? K : Key[K] extends ProxyPart ? K : never }[keyof Key]
type Forbidden = 'facts' | 'proxy' | 'dataplane' | 'proxyKey'
type Members<Key> = ProxyMembers<Key> | Extract<keyof Key, Forbidden>
const keysHoldNoProxy: [Members<OutboundClusterKey>, Members<OutboundListenerKey>, Members<IngressClusterKey>] extends [never, never, never]
  ? true
  : false = true

/** A key whose reads are recorded; reading anything a key does not have throws. */
function recorded<Key extends object>(key: Key): { readonly key: Key; readonly reads: Set<PropertyKey> } {
  const reads = new Set<PropertyKey>()
  const watched = new Proxy(key, {
    get(target, property) {
      if (!Object.hasOwn(target, property)) throw new Error(`a builder read ${String(property)}, which is not part of its key`)
      reads.add(property)
      // The property was just checked to be the target's own.
      return target[property as keyof Key]
    },
  })
  return { key: watched, reads }
}

describe('sharing keys', () => {
  test('key types hold no proxy', () => {
    assert.equal(keysHoldNoProxy, true)
  })

  test('builders read their key and nothing else', () => {
    const shared = createSharedOutbounds(() => {})
    const cluster = recorded(clusterKey)
    shared.cluster(cluster.key, conf, undefined)
    assert.deepEqual([...cluster.reads].sort(), Object.keys(clusterChanges).sort())
    const listener = recorded(listenerKey)
    shared.listener(listener.key, conf, undefined)
    assert.deepEqual([...listener.reads].sort(), Object.keys(listenerChanges).sort())
  })

  test('equal keys share one encoding, and every member of a key tells resources apart', () => {
    let encodes = 0
    const shared = createSharedOutbounds(() => encodes++)
    const cluster = shared.cluster(clusterKey, conf, undefined)
    assert.equal(shared.cluster({ ...clusterKey }, conf, undefined), cluster)
    assert.equal(encodes, 1)
    for (const [member, value] of Object.entries(clusterChanges)) {
      assert.notEqual(shared.cluster({ ...clusterKey, [member]: value }, conf, undefined), cluster, member)
    }
    const listener = shared.listener(listenerKey, conf, undefined)
    assert.equal(shared.listener({ ...listenerKey }, conf, undefined), listener)
    for (const [member, value] of Object.entries(listenerChanges)) {
      assert.notEqual(shared.listener({ ...listenerKey, [member]: value }, conf, undefined), listener, member)
    }
    const ingress = (name: string) => shared.ingressCluster({ name }, destination, undefined)
    assert.equal(ingress('x'), ingress('x'))
    assert.notEqual(ingress('x'), ingress('y'))
  })

  test('policies that edit finished resources tell resources apart by identity', () => {
    let encodes = 0
    const shared = createSharedOutbounds(() => encodes++)
    const raw: ConfByType = {}
    assert.equal(shared.cluster(clusterKey, conf, raw), shared.cluster(clusterKey, conf, raw))
    assert.equal(encodes, 1)
    shared.cluster(clusterKey, conf, undefined)
    assert.equal(encodes, 2)
    shared.listener(listenerKey, conf, raw)
    shared.listener(listenerKey, conf, {})
    assert.equal(encodes, 4)
  })

  test('what an edited policy leaves as it was stays the same cell', () => {
    let encodes = 0
    const shared = createSharedOutbounds(() => encodes++)
    const withTimeout = (timeout: object) => {
      const spec = { to: [{ targetRef: { kind: 'Mesh' }, default: timeout }] }
      return effectiveOutbound(samplePolicies(samplePolicy('MeshTimeout', 't', spec)), destination, destinationLookup([destination]))
    }
    const [before, after] = [withTimeout({ connectionTimeout: '1s' }), withTimeout({ connectionTimeout: '2s' })]
    const own = { ...listenerKey, shares: { text: 'x', byType: {} } }
    const cluster = shared.cluster(clusterKey, before, undefined)
    const listeners = [listenerKey, own].map((key) => shared.listener(key, before, undefined).cell)
    encodes = 0
    assert.notEqual(shared.cluster(clusterKey, after, undefined).cell, cluster.cell)
    assert.deepEqual(
      [listenerKey, own].map((key) => shared.listener(key, after, undefined).cell),
      listeners,
    )
    assert.equal(encodes, 1, 'no listener was made anew')
    const headers = withTimeout({ connectionTimeout: '2s', http: { requestHeadersTimeout: '5s' } })
    assert.equal(shared.cluster(clusterKey, headers, undefined).cell, shared.cluster(clusterKey, after, undefined).cell)
    assert.notEqual(shared.listener(listenerKey, headers, undefined).cell, listeners[0])
  })

  test('what shows something of one proxy is forgotten with the last snapshot that holds it', async () => {
    setFlagsFromString('--expose_gc')
    // the flag gives new contexts the function
    const collect = runInNewContext('gc') as () => void
    const shared = createSharedOutbounds(() => {})
    const key = (text: string): OutboundListenerKey => ({ ...listenerKey, shares: { text, byType: {} } })
    const held = shared.listener(key('stays'), conf, undefined).cell
    const gone = new WeakRef(shared.listener(key('leaves'), conf, undefined).cell ?? {})
    // what a weak reference was asked for lives until the turn ends
    await new Promise((done) => setImmediate(done))
    collect()
    assert.equal(gone.deref(), undefined)
    assert.ok(held)
    assert.equal(shared.listener(key('stays'), conf, undefined).cell, held)
  })
})
