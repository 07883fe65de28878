import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InsightWriter } from '@weft/insights'
import { sayingProxies, sayingZones } from './held-streams.ts'

function recording() {
  const said: string[] = []
  const presence = {
    hold: (holding: string) => {
      said.push(`+${holding}`)
      return () => void said.push(`-${holding}`)
    },
  }
  return { said, presence }
}
/** Notes the calls that reach it. */
function recorder<T extends object>(calls: string[]): T {
  return new Proxy({} as T, { get: (_, name) => () => calls.push(String(name)), ownKeys: () => [] })
}

test('proxies are said to be here while their stream is open', () => {
  const { said, presence } = recording()
  const calls: string[] = []
  const proxies = sayingProxies(recorder<InsightWriter['proxies']>(calls), presence)
  const web = { mesh: 'default', name: 'web-1' }
  const subscription = { id: 'a', connectTime: '2026-01-01T00:00:00Z' } as Parameters<InsightWriter['proxies']['connected']>[1]
  proxies.connected(web, subscription)
  // it comes back before its former stream has ended
  proxies.connected(web, { ...subscription, id: 'b' })
  proxies.disconnected(web, 'a', '2026-01-01T00:00:01Z')
  proxies.disconnected(web, 'unknown', '2026-01-01T00:00:01Z')
  const [here, away] = ['+proxy/default/web-1', '-proxy/default/web-1']
  assert.deepEqual(said, [here, here, away])
  assert.deepEqual(calls, ['connected', 'connected', 'disconnected', 'disconnected'])
})

test('zones are said to be here while their subscription is open', () => {
  const { said, presence } = recording()
  const zones = sayingZones(recorder<InsightWriter['zones']>([]), presence)
  const opened = { id: 's', zone: 'east' } as Parameters<InsightWriter['zones']['subscriptionOpened']>[0]
  zones.subscriptionOpened(opened)
  zones.subscriptionClosed('east', 's', '')
  zones.subscriptionReopened('east', 's')
  zones.subscriptionReopened('east', 's')
  zones.subscriptionClosed('east', 's', '')
  assert.deepEqual(said, ['+zone/east', '-zone/east', '+zone/east', '-zone/east', '+zone/east', '-zone/east'])
})
