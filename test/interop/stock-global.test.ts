// Our zones at a stock v3 global, alone and beside stock ones. Numbers in names are those of the cases in contract/kds.md section 18.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { decodeResponse, encodeRequest, methods, rawZone } from '../../packages/kds/src/testing/raw-zone.ts'
import { dataplaneToken, http, until } from '../../apps/demo/src/rest.ts'
import { planSidecar, SimulatedProxy } from '../../packages/testkit/src/index.ts'
import { federation, up } from './peers.ts'
import { withoutStock } from './reference.ts'

const timeouts = '/meshes/default/meshtimeouts'
const services = '/meshes/default/meshservices'
const addresses = '/meshes/default/meshzoneaddresses'
const ofZone = { 'kuma.io/origin': 'zone' }

const timeout = (name: string, labels: Readonly<Record<string, string>> = {}): object => ({
  type: 'MeshTimeout',
  mesh: 'default',
  name,
  labels,
  spec: { targetRef: { kind: 'Mesh' }, to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '20s' } }] },
})
const service = (name: string): object => ({
  type: 'MeshService',
  mesh: 'default',
  name,
  labels: ofZone,
  spec: {
    selector: { dataplaneLabels: { matchLabels: { 'kuma.io/workload': name } } },
    ports: [{ port: 80, targetPort: 80, name: 'main', appProtocol: 'http' }],
  },
})
const address = (name: string): object => ({
  type: 'MeshZoneAddress',
  mesh: 'default',
  name,
  labels: ofZone,
  spec: { address: '10.0.0.1', port: 10001 },
})

describe('our zones at a stock v3 global', { skip: withoutStock, concurrency: 1, timeout: 1_000_000 }, () => {
  test('16, 23: a zone joins, is shown with version and configuration, and its names carry no prefix', async () => {
    await using fed = await federation({ global: 'stock', zones: { east: 'ours' } })
    await up(fed, ['east'])
    const east = fed.zone('east')
    await until('mesh', async () => (await east.get('/meshes/default')) !== undefined)
    await east.put(`${timeouts}/local`, timeout('local', ofZone))
    await east.put(`${timeouts}/private`, timeout('private', { ...ofZone, 'kuma.io/kds-sync': 'disabled' }))
    await fed.global.put(`${timeouts}/shared`, timeout('shared'))
    await fed.global.put(`${timeouts}/private-too`, timeout('private-too', { 'kuma.io/kds-sync': 'disabled' }))
    await until('policy at global', async () => (await fed.global.find(timeouts, 'local')) !== undefined)
    await until('policy in the zone', async () => (await east.find(timeouts, 'shared')) !== undefined)
    const reported = await fed.global.find(timeouts, 'local')
    assert.match(reported?.name ?? '', /^local-[b-z2-9]{16}$/)
    assert.deepEqual([reported?.labels?.['kuma.io/zone'], reported?.labels?.['kuma.io/origin']], ['east', 'zone'])
    assert.equal(await fed.global.find(timeouts, 'private'), undefined)
    assert.equal(await east.find(timeouts, 'private-too'), undefined)
    const last = await fed.subscription('east')
    assert.match(JSON.stringify(last?.['version']), /"version":"\d+\.\d+\.\d+/)
    assert.match(String(last?.['config']), /"environment":\s*"universal"/)
    // a deletion is a deletion, also of the last one of a type and after a restart
    await east.remove(`${timeouts}/local`)
    await until('gone at global', async () => (await fed.global.find(timeouts, 'local')) === undefined)
  })

  test('18: a reconnect that names what it holds gets only what differs', async () => {
    await using fed = await federation({ global: 'stock', zones: {}, plaintext: true })
    await fed.global.start()
    for (const name of ['same', 'tampered']) await fed.global.put(`${timeouts}/${name}`, timeout(name))
    await using zone = rawZone('east', fed.kdsPort)
    const list = async (initialResourceVersions: Readonly<Record<string, string>>) => {
      const stream = zone.open(methods.globalToZone)
      stream.send(encodeRequest({ node: zone.node(), typeUrl: 'MeshTimeout', resourceNamesSubscribe: ['*'], initialResourceVersions }))
      const response = decodeResponse(await stream.next())
      stream.call.cancel()
      return response
    }
    const first = await list({})
    const held = Object.fromEntries((first.resources ?? []).map(({ name, version }) => [name ?? '', version ?? '']))
    const tampered = Object.keys(held).find((name) => name.startsWith('tampered-')) ?? ''
    assert.ok(Object.keys(held).length >= 2)
    let second: unknown
    const differs = async (): Promise<boolean> => {
      // a stock global forgets a zone's stream only a moment after it ended
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      const { resources = [], removedResources } = await list({ ...held, [tampered]: 'other', 'vanished-xyz.default': 'v' })
      second = { resources: resources.map(({ name }) => name), removedResources }
      return isDeepStrictEqual(second, { resources: [tampered], removedResources: ['vanished-xyz.default'] })
    }
    await until('only what differs', differs).catch((error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(second)}`))
  })

  test('20: our zone and a stock one see the services and addresses of each other, of the same display name', async () => {
    await using fed = await federation({ global: 'stock', zones: { east: 'ours', west: 'stock' } })
    await up(fed, ['east', 'west'])
    for (const name of ['east', 'west']) {
      const zone = fed.zone(name)
      await until(`mesh in ${name}`, async () => (await zone.get('/meshes/default')) !== undefined)
      await zone.put(`${services}/backend`, service('backend'))
      await zone.put(`${addresses}/address`, address('address'))
    }
    for (const [name, other] of [
      ['east', 'west'],
      ['west', 'east'],
    ] as const) {
      for (const path of [services, addresses]) {
        const copy = async () => (await fed.zone(name).items(path)).find(({ labels }) => labels?.['kuma.io/zone'] === other)
        await until(`${path} of ${other} in ${name}`, async () => (await copy()) !== undefined)
        assert.equal((await copy())?.labels?.['kuma.io/origin'], 'global')
        assert.equal((await fed.zone(name).items(path)).length, 2)
      }
    }
  })

  test('21: global is killed and comes back: the zone is there again and gets updates', async () => {
    await using fed = await federation({ global: 'stock', zones: { east: 'ours' } })
    await up(fed, ['east'])
    await fed.global.kill()
    await fed.global.start()
    // the stock global shows it up to 10 s late, so the zone itself is asked
    const connected = async (): Promise<boolean> =>
      ((await fed.zone('east').get('/_weft/sync')) as { global?: { state?: string } } | undefined)?.global?.state === 'connected'
    await until('connected again', connected)
    for (const name of ['one', 'two', 'three']) {
      await fed.global.put(`${timeouts}/${name}`, timeout(name))
      await until(name, async () => (await fed.zone('east').find(timeouts, name)) !== undefined)
    }
  })

  test('24: names of any length hash as the stock global hashes them', async () => {
    await using fed = await federation({ global: 'stock', zones: { east: 'ours' } })
    await up(fed, ['east'])
    const east = fed.zone('east')
    await until('mesh', async () => (await east.get('/meshes/default')) !== undefined)
    const names = [1, 2, 17, 63, 200, 230].map((length) =>
      `n${length}-${'abc1x-9'.repeat(40)}`.slice(0, length).replace(/-$/, 'e').replace(/^.$/, 'n'),
    )
    for (const name of names) await east.put(`${timeouts}/${name}`, timeout(name, ofZone))
    for (const name of names) {
      await until(`${name} at global`, async () => (await fed.global.find(timeouts, name)) !== undefined)
      const found = (await fed.global.get(`/_kri/kri_mt_default_east__${name}_`)) as { readonly name?: string } | undefined
      assert.equal(found?.name, (await fed.global.find(timeouts, name))?.name, name)
    }
  })

  test('our zone restarts without its store: what it had stays at the stock global until its proxies are back', async () => {
    await using fed = await federation({ global: 'stock', zones: { east: 'ours' } })
    await up(fed, ['east'])
    const east = fed.zone('east')
    await until('mesh', async () => (await east.get('/meshes/default')) !== undefined)
    // the key that signs it follows the mesh
    const token = await dataplaneToken(east.api, 'web')
    const plan = { mesh: 'default', zones: ['east'], services: 1, reachable: 0, probes: 0 }
    const { node } = planSidecar(plan, { zone: 'east', name: 'web-1', workload: 'web', index: 0, service: 0 })
    const proxy = new SimulatedProxy({ address: east.proxies, token, node })
    proxy.connect()
    const shown = async (): Promise<boolean> =>
      (await fed.global.find('/meshes/default/dataplanes', 'web-1')) !== undefined && (await fed.global.find(services, 'web')) !== undefined
    await until('dataplane and service at global', shown)
    await until('served', async () => proxy.held.listener.size > 0)
    await east.kill()
    await east.start()
    const missing: string[] = []
    const look = async (): Promise<void> => {
      if (!(await shown())) missing.push('gone')
    }
    // longer than a zone that is new waits, and longer than a stock global takes to connect and ask
    const end = performance.now() + 8_000
    while (performance.now() < end) await look()
    await until('own dataplane again', async () => (await east.find('/meshes/default/dataplanes', 'web-1')) !== undefined)
    await until(
      'recovery over',
      async () => {
        await look()
        return ((await east.get('/_x/recovery')) as { recovering?: boolean } | undefined)?.recovering === false
      },
      200_000,
    )
    assert.deepEqual(missing, [])
    // and from then on the zone speaks again
    await east.put(`${timeouts}/after`, timeout('after', ofZone))
    await until('new policy at global', async () => (await fed.global.find(timeouts, 'after')) !== undefined)
    assert.deepEqual(missing, [])
    proxy.close()
  })

  test('12, 22: the admin tunnel at a stock global: unknown proxies are an error and the session goes on', async () => {
    await using fed = await federation({ global: 'stock', zones: { east: 'ours' } })
    await up(fed, ['east'])
    const east = fed.zone('east')
    await until('mesh', async () => (await east.get('/meshes/default')) !== undefined)
    await east.put('/meshes/default/dataplanes/away-1', {
      type: 'Dataplane',
      mesh: 'default',
      name: 'away-1',
      labels: { 'kuma.io/workload': 'away' },
      networking: { address: '127.0.0.1', inbound: [{ port: 18080, name: 'main', protocol: 'http' }] },
    })
    await until('dataplane at global', async () => (await fed.global.find('/meshes/default/dataplanes', 'away-1')) !== undefined)
    const name = (await fed.global.find('/meshes/default/dataplanes', 'away-1'))?.name ?? ''
    const before = await fed.subscription('east')
    const ask = (what: string) => http('GET', `${fed.global.api}/meshes/default/dataplanes/${name}/${what}`)
    // a stock global takes up to 10 s to know the streams it asks on
    for (const what of ['xds', 'stats', 'clusters'])
      await until(`${what} stream`, async () => !(await ask(what)).text.includes('not yet connected'))
    for (let round = 0; round < 5; round++)
      for (const what of ['xds', 'stats', 'clusters']) {
        const answer = await ask(what)
        assert.notEqual(answer.status, 200)
        assert.match(answer.text, /away-1|does not answer|no route|not connected/)
      }
    assert.equal((await fed.subscription('east'))?.['id'], before?.['id'])
    await fed.global.put(`${timeouts}/after`, timeout('after'))
    await until('update', async () => (await east.find(timeouts, 'after')) !== undefined)
  })
})
