// Federations of both kinds with real proxies: mTLS through both kinds of zone ingress, policies, trust, the admin tunnel, and the life of certificates.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { http, until } from '../../apps/demo/src/rest.ts'
import { root } from '../../tools/run-command.ts'
import { startTraffic } from '../e2e/steady-traffic.ts'
import { crossZone, permission } from './cross-zone.ts'
import { type Federation, federation, type Kind, type Peer, up } from './peers.ts'
import { withoutProxies } from './reference.ts'

const zones = ['east', 'west'] as const

/** The weft command line at one control plane. */
function weft(peer: Peer, args: readonly string[], input = ''): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(join(root, 'weft'), ['--address', peer.api, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
    let out = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.on('close', (code) => (code === 0 ? done(out) : fail(new Error(`weft ${args.join(' ')}: ${out}`))))
    child.stdin.end(input)
  })
}

/** weft trust export at each zone, weft trust apply at global, which hands it to its zones. */
async function carryTrust(fed: Federation): Promise<void> {
  for (const zone of zones) {
    const exported = await weft(fed.zone(zone), ['trust', 'export'])
    assert.match(await weft(fed.global, ['trust', 'apply'], exported), /created|updated/)
  }
}

async function followsPolicy(fed: Federation, urlFrom: (zone: string) => string): Promise<void> {
  const path = '/meshes/default/meshtrafficpermissions/perm'
  const answers = (status: number) => async (): Promise<boolean> => {
    const got = await Promise.all(zones.map((zone) => http('GET', urlFrom(zone))))
    return got.every((answer) => answer.status === status)
  }
  await fed.global.put(path, permission(['nobody']))
  await until('both zones deny', answers(403))
  await fed.global.put(path, permission(zones))
  await until('both zones allow', answers(200))
}

/** Config dump, stats and clusters of a proxy of every zone, asked at global. */
async function answersAtGlobal(fed: Federation): Promise<void> {
  for (const zone of zones) {
    const proxy = await fed.global.find('/meshes/default/dataplanes', `client-${zone}`)
    const ask = (what: string) => http('GET', `${fed.global.api}/meshes/default/dataplanes/${proxy?.name ?? ''}/${what}`)
    await until(`admin tunnel of ${zone}`, async () => (await ask('clusters')).status === 200)
    // each goes over a stream of its own, and an answer that a busy machine is late with is none
    for (const [what, expected] of [
      ['xds', /backend/],
      ['stats', /^server\.live: 1$/m],
      ['clusters', /::health_flags::healthy/],
    ] as const)
      await until(`${what} of a proxy in ${zone}`, async () => {
        const { status, text } = await ask(what)
        return status === 200 && expected.test(text)
      })
    assert.equal((await http('GET', `${fed.global.api}/meshes/default/dataplanes/nobody/xds`)).status, 404)
  }
}

describe('mixed federations with real proxies', { skip: withoutProxies, concurrency: 1, timeout: 1_000_000 }, () => {
  const plans: readonly (readonly [string, Kind, Kind, Kind])[] = [
    ['our global, one zone of ours and a stock one', 'ours', 'ours', 'stock'],
    ['a stock global, one zone of ours and a stock one', 'stock', 'ours', 'stock'],
  ]
  for (const [name, global, east, west] of plans)
    test(`${name}: mTLS through both ingresses, policies, the admin tunnel`, async () => {
      await using fed = await federation({ global, zones: { east, west } })
      await up(fed, zones)
      await using traffic = await crossZone(fed, zones, async () => {
        if (global === 'stock') await carryTrust(fed)
      })
      for (const zone of zones)
        assert.match((await http('GET', traffic.urlFrom(zone))).text, new RegExp(`backend-in-${zone === 'east' ? 'west' : 'east'}`))
      await followsPolicy(fed, traffic.urlFrom)
      await answersAtGlobal(fed)
    })

  test('the authorities of both zones are made anew under load: no request fails', async () => {
    await using fed = await federation({ global: 'ours', zones: { east: 'ours', west: 'ours' } })
    await up(fed, zones)
    await using crossing = await crossZone(fed, zones, async () => {})
    // connections that last make no handshakes
    const to = [{ targetRef: { kind: 'Mesh' }, default: { http: { maxConnectionDuration: '2s' } } }]
    await fed.global.put('/meshes/default/meshtimeouts/short', { type: 'MeshTimeout', mesh: 'default', name: 'short', spec: { to } })
    const rootsOf = async (zone: string): Promise<number> => {
      const { items = [] } = ((await fed.global.get('/_weft/trust')) ?? {}) as {
        items?: { zone: string; roots: unknown[]; state?: string }[]
      }
      return items.filter((item) => item.zone === zone && item.state === 'published').reduce((sum, item) => sum + item.roots.length, 0)
    }
    const issuedAt = async (): Promise<readonly string[]> => {
      const insights = await fed.global.items('/meshes/default/dataplane-insights')
      return insights.map(
        (insight) => (insight['mTLS'] as { lastCertificateRegeneration?: string } | undefined)?.lastCertificateRegeneration ?? '',
      )
    }
    await using traffic = startTraffic(crossing.urlFrom('east'), 100)
    await using back = startTraffic(crossing.urlFrom('west'), 100)
    for (const zone of zones) {
      const before = await issuedAt()
      // one of the pair is enough; removing the other one too may hit the new pair and cost it a successor of its own
      await fed.zone(zone).remove('/meshes/default/secrets/identity-root-ca')
      await until(`two roots of ${zone}`, async () => (await rootsOf(zone)) === 2)
      await until(`new certificates in ${zone}`, async () => (await issuedAt()).filter((time) => !before.includes(time)).length >= 3)
    }
    // a while under the new certificates, however quickly they came
    const from = traffic.sent
    await until('requests over new connections', async () => traffic.sent - from > 300 && back.sent > 500)
    for (const load of [traffic, back]) {
      await load.stop()
      assert.deepEqual([...load.failures], [])
    }
  })
})
