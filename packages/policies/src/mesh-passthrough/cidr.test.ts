import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalCidr } from './cidr.ts'

test('ranges lose the bits that their prefix leaves out', () => {
  const text = (cidr: string): string | undefined => {
    const found = canonicalCidr(cidr)
    return found && `${found.address}/${found.bits}`
  }
  assert.equal(text('192.168.1.7/24'), '192.168.1.0/24')
  assert.equal(text('192.168.1.7/30'), '192.168.1.4/30')
  assert.equal(text('1.2.3.4/0'), '0.0.0.0/0')
  assert.equal(text('fd00:1:2:3::4/33'), 'fd00:1::/33')
  assert.equal(text('2001:db8:ffff::1/39'), '2001:db8:fe00::/39')
  assert.equal(text('::ffff:1.2.3.4/112'), '::ffff:1.2.0.0/112')
  assert.equal(text('::1/128'), '::1/128')
})

test('what is no range reads as nothing', () => {
  for (const wrong of ['', '1.2.3.4', '1.2.3.4/33', '::/129', 'a/8', '1.2.3.4/8/8', '1.2.3.4/', '1.2.3/8']) {
    assert.equal(canonicalCidr(wrong), undefined, wrong)
  }
})
