import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { startDnsProxy } from './dns-proxy.ts'
import { type DnsSettings, type DnsSurroundings, startDns } from './start-dns.ts'
import { createUpstream } from './upstream.ts'

const settings: DnsSettings = { enabled: true, port: undefined, upstreams: [{ address: '192.0.2.53', port: 53 }] }
const around: DnsSurroundings = { redirectedPort: undefined, isZoneProxy: false, clock: systemClock, log: silentLogger }

test('there is none when it is off, has no port, or stands beside a proxy of zones', async () => {
  assert.equal(await startDns({ ...settings, enabled: false }, around), undefined)
  assert.equal(await startDns({ ...settings, port: 0 }, around), undefined)
  assert.equal(await startDns(settings, { ...around, isZoneProxy: true }), undefined)
})

test('a port that is taken is an error where somebody relies on it: queries are redirected there, or it was asked for', async () => {
  const upstream = createUpstream({ resolvers: () => ({ resolvers: [], timeoutMs: 1, attempts: 1 }), clock: systemClock })
  const holder = await startDnsProxy({ port: 0, upstream, clock: systemClock, log: silentLogger })
  await assert.rejects(startDns(settings, { ...around, redirectedPort: holder.port }), { code: 'process/port-taken' })
  await assert.rejects(startDns({ ...settings, port: holder.port }, around), { code: 'process/port-taken' })
  await holder.close()
})
