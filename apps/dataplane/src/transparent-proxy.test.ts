import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readTransparentProxy } from './transparent-proxy.ts'

const folder = mkdtempSync(join(tmpdir(), 'weft-tp-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

test('nothing given is nothing redirected; the default ports when asked for', async () => {
  assert.equal(await readTransparentProxy([], false), undefined)
  assert.deepEqual(await readTransparentProxy([], true), {
    ipFamilyMode: 'dualstack',
    redirect: {
      inbound: { enabled: true, port: 15006 },
      outbound: { enabled: true, port: 15001 },
      dns: { enabled: false, port: 15053 },
      vnet: { networks: [] },
    },
  })
})

test('later files count over earlier ones, key by key, and only what the control plane knows goes to it', async () => {
  const first = file(
    'a.yaml',
    'ipFamilyMode: ipv4\nkumaDPUser: "5678"\nredirect: {dns: {enabled: true, port: 25053}, inbound: {port: 25006}}',
  )
  const second = file(
    'b.json',
    '{"redirect":{"inbound":{"enabled":false},"outbound":{"port":25001},"vnet":{"networks":["docker0:172.17.0.0/16"]}}}',
  )
  assert.deepEqual(await readTransparentProxy([first, second], false), {
    ipFamilyMode: 'ipv4',
    redirect: {
      inbound: { enabled: false, port: 25006 },
      outbound: { enabled: true, port: 25001 },
      dns: { enabled: true, port: 25053 },
      vnet: { networks: ['docker0:172.17.0.0/16'] },
    },
  })
})

test('what cannot be read or is no port is named', async () => {
  await assert.rejects(readTransparentProxy([join(folder, 'missing')], false), { code: 'config/unreadable' })
  await assert.rejects(readTransparentProxy([file('c.yaml', 'a: [')], false), { code: 'config/invalid' })
  await assert.rejects(readTransparentProxy([file('d.yaml', 'redirect: {dns: {port: 70000}}')], false), {
    code: 'config/invalid',
    message: /redirect\.dns\.port/,
  })
})
