import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EncodedResource } from './contract.ts'
import { Subscription, type SubscriptionRequest } from './subscription.ts'

const resource = (name: string, version: string): EncodedResource => ({ name, version, frame: new Uint8Array(0) })
const ask = (parts: Partial<SubscriptionRequest>): SubscriptionRequest => ({
  subscribe: [],
  unsubscribe: [],
  initialVersions: new Map(),
  ...parts,
})

function send(subscription: Subscription, nonce: string, ...resources: readonly EncodedResource[]): void {
  subscription.sent({ nonce, sentAt: 0, updates: resources, removed: [], probe: false })
}

describe('subscription', () => {
  it('takes an empty first request for clusters and listeners as a wildcard, and for nothing else', () => {
    for (const [type, wildcard] of [
      ['cluster', true],
      ['listener', true],
      ['endpoint', false],
      ['secret', false],
    ] as const) {
      const subscription = new Subscription(type)
      subscription.request(ask({}), 10)
      assert.equal(subscription.wants('x'), wildcard)
    }
    const named = new Subscription('cluster')
    named.request(ask({ subscribe: ['a'] }), 10)
    assert.deepEqual([named.wants('a'), named.wants('b')], [true, false])
    named.request(ask({ subscribe: ['*'] }), 10)
    assert.equal(named.wants('b'), true)
    named.request(ask({ unsubscribe: ['*'] }), 10)
    assert.deepEqual([named.wants('a'), named.wants('b')], [true, false])
  })

  it('sends nothing twice while an ACK is on its way, and again when asked again', () => {
    const subscription = new Subscription('endpoint')
    subscription.request(ask({ subscribe: ['a'] }), 10)
    assert.equal(subscription.verdict('a', resource('a', '1')), 'send')
    send(subscription, 'n1', resource('a', '1'))
    assert.equal(subscription.verdict('a', resource('a', '1')), 'none')
    assert.equal(subscription.verdict('a', resource('a', '2')), 'send')
    subscription.acknowledge('n1')
    assert.equal(subscription.verdict('a', resource('a', '1')), 'none')
    subscription.request(ask({ subscribe: ['a'] }), 10)
    assert.equal(subscription.verdict('a', resource('a', '1')), 'send')
  })

  it('compares with what the proxy ACKed, not with what was sent', () => {
    const subscription = new Subscription('cluster')
    subscription.request(ask({}), 10)
    send(subscription, 'n1', resource('a', '1'))
    subscription.acknowledge('n1')
    send(subscription, 'n2', resource('a', '2'))
    assert.deepEqual(subscription.refuse('n2', 'no')?.rejected, ['a'])
    assert.equal(subscription.accepted.get('a')?.version, '1')
    assert.equal(subscription.verdict('a', resource('a', '2')), 'none')
    // what the proxy runs is not certain, so going back is a change too
    assert.equal(subscription.verdict('a', resource('a', '1')), 'send')
  })

  it('gives ACKs to the response they name, in whatever order they come', () => {
    const subscription = new Subscription('endpoint')
    subscription.request(ask({ subscribe: ['a'] }), 10)
    send(subscription, 'n1', resource('a', '1'))
    send(subscription, 'n2', resource('a', '2'))
    subscription.acknowledge('n2')
    assert.equal(subscription.accepted.get('a')?.version, '2')
    assert.equal(subscription.acknowledge('n2'), undefined)
    assert.equal(subscription.refuse('n9', ''), undefined)
  })

  it('forgets what the proxy gave up, also when its ACK comes later', () => {
    const subscription = new Subscription('secret')
    subscription.request(ask({ subscribe: ['a'] }), 10)
    send(subscription, 'n1', resource('a', '1'))
    subscription.request(ask({ unsubscribe: ['a'] }), 10)
    subscription.acknowledge('n1')
    assert.deepEqual([subscription.accepted.size, subscription.verdict('a', resource('a', '1'))], [0, 'none'])
    subscription.request(ask({ subscribe: ['a'] }), 10)
    assert.equal(subscription.verdict('a', resource('a', '1')), 'send')
  })

  it('finds culprits only by their whole name', () => {
    const subscription = new Subscription('cluster')
    subscription.request(ask({}), 10)
    send(subscription, 'n1', resource('web', '1'), resource('my-web', '1'), resource('other', '1'))
    assert.deepEqual(subscription.refuse('n1', 'Error adding/updating cluster(s) my-web: bad value')?.rejected, ['my-web'])
    assert.equal(subscription.verdict('web', resource('web', '1')), 'send')
  })

  it('remembers every version the proxy may run after refusals', () => {
    const listener = (name: string, version: string, clusters: readonly string[]): EncodedResource => ({
      ...resource(name, version),
      needs: { clusters },
    })
    const subscription = new Subscription('listener')
    subscription.request(ask({}), 10)
    // nobody is named, so either may run
    send(subscription, 'n1', listener('l', '1', ['a']), listener('m', '1', []))
    subscription.refuse('n1', 'no')
    // alone in its response, so this version certainly does not run
    send(subscription, 'n2', listener('l', '2', ['b']))
    subscription.refuse('n2', 'no')
    const named = [...subscription.held()].filter(([name]) => name === 'l').flatMap(([, held]) => held.needs?.clusters ?? [])
    assert.deepEqual(named, ['a'])
    send(subscription, 'n3', listener('l', '3', ['c']), listener('m', '2', []))
    subscription.refuse('n3', 'no')
    assert.deepEqual(subscription.uncertain.get('l')?.needs?.clusters, ['a', 'c'])
    send(subscription, 'n4', listener('l', '4', []))
    subscription.acknowledge('n4')
    assert.equal(subscription.uncertain.has('l'), false)
  })
})
