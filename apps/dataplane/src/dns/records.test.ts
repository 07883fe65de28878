import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readDnsTable } from './records.ts'

test('names in any spelling, addresses by family, what is no address left out', () => {
  const table = readDnsTable({
    records: [
      { name: 'Backend.svc.mesh.local', ips: ['241.0.0.1', '::ffff:f100:1', 'nonsense', 7, 'fe80::1%eth0'] },
      { name: 'empty.mesh', ips: [] },
      { name: 'backend.svc.mesh.local', ips: ['241.0.0.9'] },
      { name: '', ips: ['241.0.0.2'] },
      'nonsense',
    ],
    ttl: 30,
    extraLabels: { mesh: 'default', kuma_workload: 'client' },
  })
  assert.deepEqual(table.lookup('BACKEND.svc.mesh.local.'), { ipv4: ['241.0.0.1', '241.0.0.9'], ipv6: ['::ffff:f100:1'] })
  assert.deepEqual(table.lookup('empty.mesh'), { ipv4: [], ipv6: [] })
  assert.equal(table.lookup('svc.mesh.local'), undefined)
  assert.equal(table.lookup('constructor'), undefined)
  assert.deepEqual([table.size, table.ttlSeconds, table.labels], [2, 30, { mesh: 'default', kuma_workload: 'client' }])
})

test('a body that is no object is refused, one without records has none, and a time to live stays within its field', () => {
  for (const body of [null, [], 'x', 7]) assert.throws(() => readDnsTable(body), { code: 'process/bad-config' })
  assert.equal(readDnsTable({ records: null }).size, 0)
  assert.equal(readDnsTable({ ttl: -5 }).ttlSeconds, 0)
  assert.equal(readDnsTable({ ttl: 1e12 }).ttlSeconds, 0x7fffffff)
})
