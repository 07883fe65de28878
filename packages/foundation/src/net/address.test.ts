// Who stands behind an address, for every way to write one.
import assert from 'node:assert/strict'
import { isIPv6 } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { addressOfPeer, clientOf, isLoopback, plainAddress } from './index.ts'

test('an IPv4 address stands for itself, an IPv6 address for its /64, anything else for nobody in particular', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['::FFFF:10.1.2.3', '10.1.2.3'],
    ['::ffff:a01:203', '10.1.2.3'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:0:ffff:ffff:ffff:ffff', '2001:db8:0:0::/64'],
    ['2001:0db8:0000:0001::', '2001:db8:0:1::/64'],
    ['2001:db8:0:1:2:3:1.2.3.4', '2001:db8:0:1::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
    ['::2:3:4:5:6:7:8', '0:2:3:4::/64'],
    ['', 'unknown'],
    ['localhost', 'unknown'],
    ['10.1.2', 'unknown'],
    ['10.1.2.3:80', 'unknown'],
    ['[::1]', 'unknown'],
    ['2001:db8::1::2', 'unknown'],
    ['\u0000', 'unknown'],
  ]
  for (const [address, client] of cases) assert.equal(clientOf(address), client, JSON.stringify(address))
})

test('addresses of a /64 stand for one, those of another do not', () => {
  const group = fc.integer({ min: 0, max: 0xffff })
  fc.assert(
    fc.property(fc.tuple(group, group, group, group), fc.tuple(group, group, group, group), (prefix, rest) => {
      fc.pre(prefix.some((each) => each !== 0))
      const write = (groups: readonly number[]): string => groups.map((each) => each.toString(16)).join(':')
      const address = write([...prefix, ...rest])
      assert.ok(isIPv6(address))
      assert.equal(clientOf(address), `${write(prefix)}::/64`)
      // as a socket writes it
      assert.equal(clientOf(new URL(`http://[${address}]`).hostname.slice(1, -1)), `${write(prefix)}::/64`)
    }),
  )
})

test('nothing that somebody sends breaks it', () => {
  fc.assert(fc.property(fc.oneof(fc.ipV6(), fc.string()), (text) => typeof clientOf(text) === 'string' && !isLoopback(`x${text}`)))
})

test('this very host, and peers as gRPC names them', () => {
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) assert.equal(isLoopback(address), true, address)
  for (const address of ['128.0.0.1', '127.evil', '::2', '', '127.0.0.1.evil.example']) assert.equal(isLoopback(address), false, address)
  assert.equal(plainAddress('::ffff:10.0.0.1'), '10.0.0.1')
  assert.equal(addressOfPeer('10.0.0.9:4000'), '10.0.0.9')
  assert.equal(addressOfPeer('2001:db8::1:4000'), '2001:db8::1')
  assert.equal(addressOfPeer('[2001:db8::1]:4000'), '2001:db8::1')
  assert.equal(addressOfPeer('unknown'), '')
})
