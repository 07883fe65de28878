import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  dynamicConfigRouteName,
  inboundName,
  joinPath,
  passthroughName,
  socketPath,
  statName,
  zoneEgressName,
  zoneIngressName,
} from './names.ts'

test('names as in contract/dataplane.md section 8.2', () => {
  assert.equal(inboundName('http'), 'self_inbound_dp_http')
  assert.equal(zoneIngressName('zi'), 'self_zoneingress_dp_zi')
  assert.equal(zoneEgressName('ze'), 'self_zoneegress_dp_ze')
  assert.equal(passthroughName('outbound', 'ipv6'), 'self_transparentproxy_passthrough_outbound_ipv6')
  assert.equal(dynamicConfigRouteName('dns'), 'system_dynamicconfig_dns')
  assert.equal(statName('kri_msvc_a-b_c'), 'kri_msvc_a-b_c')
  assert.equal(statName('a.b/c'), 'a_b_c')
})

test('socket paths are cut as the launcher cuts them', () => {
  assert.equal(socketPath('/tmp', 'kuma-x'), '/tmp/kuma-x.sock')
  assert.equal(socketPath('/tmp/', 'kuma-x'), '/tmp/kuma-x.sock')
  const long = socketPath(`/${'a'.repeat(120)}`, 'kuma-x')
  assert.equal(long, `/${'a'.repeat(97)}.sock`)
  assert.equal(joinPath('', 'x'), 'x')
})
