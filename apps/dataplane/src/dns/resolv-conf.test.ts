import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { parseResolvConf, parseResolver } from './resolv-conf.ts'
import { createResolvers } from './resolvers.ts'

test('the first three name servers and the options that matter', () => {
  const text = `# made by a machine
search example.com svc.cluster.local
nameserver 10.0.0.53
nameserver nonsense
  nameserver 2001:db8::53
nameserver 10.0.0.54 # a remark
nameserver 10.0.0.55
options ndots:5 timeout:1 attempts:3 edns0
options timeout:90
`
  assert.deepEqual(parseResolvConf(text), {
    resolvers: [
      { address: '10.0.0.53', port: 53 },
      { address: '2001:db8::53', port: 53 },
      { address: '10.0.0.54', port: 53 },
    ],
    timeoutMs: 5_000,
    attempts: 3,
  })
  assert.deepEqual(parseResolvConf(''), { resolvers: [{ address: '127.0.0.1', port: 53 }], timeoutMs: 2_000, attempts: 2 })
  assert.deepEqual(parseResolvConf('options timeout:0 attempts:0').attempts, 1)
})

test('resolvers as a user writes them', () => {
  assert.deepEqual(parseResolver('10.0.0.1'), { address: '10.0.0.1', port: 53 })
  assert.deepEqual(parseResolver('10.0.0.1:5353'), { address: '10.0.0.1', port: 5353 })
  assert.deepEqual(parseResolver('::1'), { address: '::1', port: 53 })
  assert.deepEqual(parseResolver('[::1]:5353'), { address: '::1', port: 5353 })
  for (const text of ['', 'dns.example', 'dns.example:53', '10.0.0.1:', '10.0.0.1:0', '10.0.0.1:70000', '[::1]'])
    assert.equal(parseResolver(text), undefined, text)
})

test('the file is read again when asked to, and we are never our own resolver', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-resolv-'))
  const file = join(folder, 'resolv.conf')
  const addresses = (): readonly string[] => resolvers.current().resolvers.map(({ address }) => address)
  const resolvers = createResolvers({ named: [], ownPort: () => 53, file, log: silentLogger })
  assert.deepEqual(addresses(), [], 'without a file only ourselves would be left')
  writeFileSync(file, 'nameserver 127.0.0.1\nnameserver 10.0.0.1\n')
  assert.deepEqual(addresses(), [])
  resolvers.reload()
  assert.deepEqual(addresses(), ['10.0.0.1'])
  rmSync(folder, { recursive: true })
  const named = createResolvers({ named: [{ address: '127.0.0.1', port: 5353 }], ownPort: () => 53, file, log: silentLogger })
  named.reload()
  assert.deepEqual(named.current().resolvers, [{ address: '127.0.0.1', port: 5353 }])
})
