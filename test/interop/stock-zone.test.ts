// Stock v3 zones at our global. Numbers in names are those of the cases in contract/kds.md section 18.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { until, zoneToken } from '../../apps/demo/src/rest.ts'
import { type Federation, federation, up } from './peers.ts'
import { withoutStock } from './reference.ts'

const timeout = (name: string, labels: Readonly<Record<string, string>> = {}): object => ({
  type: 'MeshTimeout',
  mesh: 'default',
  name,
  labels,
  spec: { targetRef: { kind: 'Mesh' }, to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '20s' } }] },
})
const timeouts = '/meshes/default/meshtimeouts'
const zoneLabels = { 'kuma.io/origin': 'zone' }

function service(name: string): object {
  return {
    type: 'MeshService',
    mesh: 'default',
    name,
    labels: { 'kuma.io/origin': 'zone' },
    spec: {
      selector: { dataplaneLabels: { matchLabels: { 'kuma.io/workload': name } } },
      ports: [{ port: 80, targetPort: 80, name: 'main', appProtocol: 'http' }],
    },
  }
}

/** Responses by type as the ZoneInsight counts them. */
async function responses(
  fed: Federation,
  zone: string,
): Promise<Readonly<Record<string, { responsesSent?: string; responsesAcknowledged?: string }>>> {
  const last = (await fed.subscription(zone)) as { status?: { stat?: Record<string, { responsesSent?: string }> } } | undefined
  return last?.status?.stat ?? {}
}

describe('stock v3 zones at our global', { skip: withoutStock, concurrency: 1, timeout: 1_000_000 }, () => {
  test('1: a zone joins, takes every type and is Online', async () => {
    await using fed = await federation({ global: 'ours', zones: { east: 'stock' } })
    await fed.global.start()
    await fed.zone('east').start()
    await until('online', () => fed.isOnline('east'))
    await until('29 types acknowledged', async () => {
      const stat = Object.values(await responses(fed, 'east'))
      return stat.length === 29 && stat.every(({ responsesSent, responsesAcknowledged }) => responsesSent === responsesAcknowledged)
    })
    assert.equal((await fed.global.items('/zones')).length, 1)
  })

  test('2, 3, 4, 23: policies both ways under the names a stock federation gives them, kept local on demand, deleted everywhere', async () => {
    await using fed = await federation({ global: 'ours', zones: { east: 'stock' } })
    await up(fed, ['east'])
    const east = fed.zone('east')
    await until('mesh', async () => (await east.get('/meshes/default')) !== undefined)
    await fed.global.put(`${timeouts}/mesh-timeout-all-default`, timeout('mesh-timeout-all-default'))
    await until('policy in the zone', async () => (await east.find(timeouts, 'mesh-timeout-all-default')) !== undefined)
    const copy = await east.find(timeouts, 'mesh-timeout-all-default')
    assert.deepEqual([copy?.name, copy?.labels?.['kuma.io/origin']], ['mesh-timeout-all-default-bv8z44b7bzb99xc7', 'global'])
    await east.put(`${timeouts}/default-timeout-zone`, timeout('default-timeout-zone', zoneLabels))
    await until('policy of the zone', async () => (await fed.global.find(timeouts, 'default-timeout-zone')) !== undefined)
    const reported = await fed.global.find(timeouts, 'default-timeout-zone')
    assert.match(reported?.name ?? '', /^default-timeout-zone-[b-z2-9]{16}$/)
    assert.deepEqual([reported?.labels?.['kuma.io/origin'], reported?.labels?.['kuma.io/zone']], ['zone', 'east'])
    await fed.global.put(`${timeouts}/stays-here`, timeout('stays-here', { 'kuma.io/kds-sync': 'disabled' }))
    await east.put(`${timeouts}/stays-there`, timeout('stays-there', { ...zoneLabels, 'kuma.io/kds-sync': 'disabled' }))
    await fed.global.remove(`${timeouts}/mesh-timeout-all-default`)
    await east.remove(`${timeouts}/default-timeout-zone`)
    await until('gone in the zone', async () => (await east.find(timeouts, 'mesh-timeout-all-default')) === undefined)
    await until('gone at global', async () => (await fed.global.find(timeouts, 'default-timeout-zone')) === undefined)
    assert.equal(await east.find(timeouts, 'stays-here'), undefined)
    assert.equal(await fed.global.find(timeouts, 'stays-there'), undefined)
  })

  test('5: a service of one zone is in the other, not echoed, and follows the Zone', async () => {
    await using fed = await federation({ global: 'ours', zones: { east: 'stock', west: 'stock' } })
    await up(fed, ['east', 'west'])
    const [east, west] = [fed.zone('east'), fed.zone('west')]
    await until('mesh', async () => (await east.get('/meshes/default')) !== undefined)
    await east.put('/meshes/default/meshservices/backend', service('backend'))
    const path = '/meshes/default/meshservices'
    await until('service in the other zone', async () => (await west.find(path, 'backend')) !== undefined)
    const copy = await west.find(path, 'backend')
    assert.deepEqual([copy?.labels?.['kuma.io/origin'], copy?.labels?.['kuma.io/zone']], ['global', 'east'])
    assert.equal((await east.items(path)).length, 1)
    await fed.global.put('/zones/east', { type: 'Zone', name: 'east', enabled: false })
    await until('gone while the zone is disabled', async () => (await west.find(path, 'backend')) === undefined)
    await fed.global.put('/zones/east', { type: 'Zone', name: 'east', enabled: true })
    await until('back', async () => (await west.find(path, 'backend')) !== undefined)
  })

  test('8: a zone that is killed comes back with a second subscription and loses nothing', async () => {
    await using fed = await federation({ global: 'ours', zones: { east: 'stock' } })
    await up(fed, ['east'])
    await fed.global.put(`${timeouts}/kept`, timeout('kept'))
    const first = await fed.subscription('east')
    await fed.zone('east').kill()
    await until('offline', async () => !(await fed.isOnline('east')))
    await fed.zone('east').start()
    await until('online again', () => fed.isOnline('east'))
    const second = await fed.subscription('east')
    assert.notEqual(second?.['id'], first?.['id'])
    await until('policy back', async () => (await fed.zone('east').find(timeouts, 'kept')) !== undefined)
    assert.notEqual(await fed.global.find(timeouts, 'kept'), undefined)
  })

  test('9: of two processes of one name the second gets updates once the first is gone', async () => {
    await using fed = await federation({ global: 'ours', zones: { east: 'stock' } })
    await up(fed, ['east'])
    const twin = await fed.twin('east', 'stock')
    await twin.start()
    await fed.global.put(`${timeouts}/both`, timeout('both'))
    await until('update of the first', async () => (await fed.zone('east').find(timeouts, 'both')) !== undefined)
    await fed.zone('east').stop()
    await until('update of the second', async () => (await twin.find(timeouts, 'both')) !== undefined, 90_000)
    await fed.global.put(`${timeouts}/later`, timeout('later'))
    await until('a later one', async () => (await twin.find(timeouts, 'later')) !== undefined)
  })

  test('10: plaintext', async () => {
    await using fed = await federation({ global: 'ours', zones: { east: 'stock' }, plaintext: true })
    await up(fed, ['east'])
  })

  test('13: global restarts while a zone is connected: nothing is deleted on either side', async () => {
    await using fed = await federation({ global: 'ours', zones: { east: 'stock' }, globalEnv: { KUMA_STORE_TYPE: 'embedded' } })
    await up(fed, ['east'])
    const east = fed.zone('east')
    await fed.global.put(`${timeouts}/of-global`, timeout('of-global'))
    await until('mesh', async () => (await east.get('/meshes/default')) !== undefined)
    await east.put(`${timeouts}/of-zone`, timeout('of-zone', zoneLabels))
    const complete = async (): Promise<boolean> =>
      (await east.find(timeouts, 'of-global')) !== undefined &&
      (await east.find(timeouts, 'of-zone')) !== undefined &&
      (await fed.global.find(timeouts, 'of-global')) !== undefined &&
      (await fed.global.find(timeouts, 'of-zone')) !== undefined
    await until('both everywhere', complete)
    await fed.global.kill()
    await fed.global.start()
    assert.notEqual(await fed.global.find(timeouts, 'of-zone'), undefined)
    const incomplete: string[] = []
    await until(
      'online again',
      async () => {
        if (!(await complete())) incomplete.push('something was missing')
        return fed.isOnline('east')
      },
      90_000,
    )
    await fed.global.put(`${timeouts}/after`, timeout('after'))
    await until('update after', async () => (await east.find(timeouts, 'after')) !== undefined)
    assert.ok(await complete())
    assert.deepEqual(incomplete, [])
  })

  test('14: secrets: keys of zone tokens arrive as public keys, those of users and of the control plane stay', async () => {
    await using fed = await federation({ global: 'ours', zones: { east: 'stock' } })
    await fed.global.start()
    await zoneToken(fed.global.api, 'east')
    await fed.zone('east').start()
    await until('online', () => fed.isOnline('east'))
    const east = fed.zone('east')
    await until('public key', async () =>
      (await east.items('/globalsecrets')).some(({ name }) => name === 'zone-token-signing-public-key-1'),
    )
    // A control plane makes keys of its own under the same names a moment after its start (contract/rest-cli-gui.md section 4.3): values tell whose they are.
    await until('the keys that the zone makes itself', async () => {
      const names = (await east.items('/globalsecrets')).map(({ name }) => name)
      return names.includes('user-token-signing-key-1') && names.includes('inter-cp-ca')
    })
    const kept = (await fed.global.items('/globalsecrets')).filter(({ name }) =>
      /^(user-token|admin-user|inter-cp-ca|zone-token-signing-key)/.test(name),
    )
    assert.deepEqual(
      kept
        .map(({ name }) => name)
        .filter((name) => /signing-key/.test(name))
        .sort(),
      ['user-token-signing-key-1', 'zone-token-signing-key-1'],
    )
    const arrived = new Set((await east.items('/globalsecrets')).map((secret) => secret['data']))
    assert.deepEqual(
      kept.filter((secret) => arrived.has(secret['data'])).map(({ name }) => name),
      [],
    )
    const key = (await east.items('/globalsecrets')).find(({ name }) => name === 'zone-token-signing-public-key-1')
    assert.match(Buffer.from(String(key?.['data']), 'base64').toString(), /BEGIN RSA PUBLIC KEY/)
    await until('the key of tokens for proxies', async () =>
      (await east.items('/meshes/default/secrets')).some(({ name }) => name === 'dataplane-token-signing-key-default-1'),
    )
  })
})
