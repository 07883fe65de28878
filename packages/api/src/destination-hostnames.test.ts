import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { kdsName, type Labels, type Resource } from '@weft/resources'
import { registry } from './api-scene.fixture.ts'
import { destinationHostnames } from './destination-hostnames.ts'

interface Given {
  readonly type?: string
  readonly zone?: string
  readonly status?: unknown
  readonly created?: string
  readonly display?: string
}

const labelsOf = (origin: string, zone: string | undefined, display: string): Labels => ({
  'kuma.io/display-name': display,
  'kuma.io/origin': origin,
  ...(zone === undefined ? {} : { 'kuma.io/zone': zone }),
})
const stamps = { modificationTime: '', version: 1 } as const
const destination = (name: string, { type = 'MeshService', zone, status, created = '2026', display = name }: Given = {}): Resource => ({
  type,
  mesh: 'm',
  name,
  labels: labelsOf(zone === undefined ? 'global' : 'zone', zone, display),
  spec: {},
  creationTime: created,
  ...stamps,
  ...(status === undefined ? {} : { status }),
})
const generator = (name: string, template: string, given: { kind?: string; origin?: string; zone?: string } = {}): Resource => {
  const { kind = 'meshService', origin, zone } = given
  const matchLabels = origin === undefined ? {} : { 'kuma.io/origin': origin }
  const labels = labelsOf(zone === undefined ? 'global' : 'zone', zone, name)
  return {
    type: 'HostnameGenerator',
    mesh: '',
    name,
    labels,
    spec: { selector: { [kind]: { matchLabels } }, template },
    creationTime: '2026',
    ...stamps,
  }
}
const zone = (name: string): Resource => ({ type: 'Zone', mesh: '', name, labels: {}, spec: {}, creationTime: '', ...stamps })

function held(resources: readonly Resource[], of: Resource): readonly string[] {
  const list = (type: string, mesh?: string): Resource[] =>
    resources.filter((each) => each.type === type && (mesh === undefined || each.mesh === mesh))
  return destinationHostnames({ store: { list }, registry, mode: 'global', zone: '' }, of).map(({ hostname }) => hostname)
}

describe('hostnames at global', () => {
  test('of two destinations that get one name everywhere the first holds it', () => {
    const flat = generator('flat', 'api.mesh.local', { kind: 'meshMultiZoneService' })
    const [old, young] = [
      destination('b', { type: 'MeshMultiZoneService', created: '2025' }),
      destination('a', { type: 'MeshMultiZoneService', created: '2026' }),
    ]
    const all = [flat, old, young, zone('east')]
    assert.deepEqual([held(all, old), held(all, young)], [['api.mesh.local'], []])
  })

  test('each zone has its own destination under a name of its own, so both hold it', () => {
    const local = generator('local', '{{ .DisplayName }}.svc.mesh.local', { origin: 'zone' })
    const [east, west] = [destination('api-e', { zone: 'east', display: 'api' }), destination('api-w', { zone: 'west', display: 'api' })]
    const all = [local, east, west, zone('east'), zone('west')]
    assert.deepEqual([held(all, east), held(all, west)], [['api.svc.mesh.local'], ['api.svc.mesh.local']])
  })

  test('a generator of a zone acts there alone, and before those of global', () => {
    const own = generator('own', 'api.mesh.local', { zone: 'east', origin: 'zone' })
    const flat = generator('flat', 'api.mesh.local', { kind: 'meshMultiZoneService' })
    const everywhere = destination('all', { type: 'MeshMultiZoneService', created: '2020' })
    const east = destination('e', { zone: 'east' })
    assert.deepEqual(held([own, flat, everywhere, east, zone('east')], east), ['api.mesh.local'])
    // in the other zones it is still the one of all
    assert.deepEqual(held([own, flat, everywhere, east, zone('east'), zone('west')], everywhere), ['api.mesh.local'])
  })

  test('what a zone chooses takes no name from what is of global', () => {
    const taker = generator('taker', 'api.mesh.local', { origin: 'global' })
    const flat = generator('flat', 'api.mesh.local', { kind: 'meshMultiZoneService' })
    const everywhere = destination('all', { type: 'MeshMultiZoneService' })
    const east = destination('e', { zone: 'east', created: '2000' })
    const all = [taker, flat, everywhere, east, zone('east'), zone('west')]
    assert.deepEqual([held(all, everywhere), held(all, east)], [['api.mesh.local'], []])
  })

  test('at home the word of the zone counts, whatever the generator is called there', () => {
    const local = generator('local', 'api.mesh.local', { origin: 'zone' })
    const verdict = (coreName: string, status: string): unknown => ({
      hostnameGenerators: [{ hostnameGeneratorRef: { coreName }, conditions: [{ type: 'Generated', status, reason: 'any', message: '' }] }],
    })
    for (const name of ['local', kdsName(local)]) {
      const lost = destination('a', { zone: 'east', created: '2020', status: verdict(name, 'False') })
      const won = destination('b', { zone: 'east', status: verdict(name, 'True') })
      const all = [local, lost, won, zone('east')]
      assert.deepEqual([held(all, lost), held(all, won)], [[], ['api.mesh.local']])
    }
  })

  test('a template that gives no host name gives none', () => {
    for (const template of ['{{ .Nothing }}', 'not a name', '-x.mesh.local', '']) {
      const service = destination('a', { zone: 'east' })
      assert.deepEqual(held([generator('g', template), service, zone('east')], service), [])
    }
  })

  test('names of a destination that nobody disputes are listed with its zone, or with itself where it has none', () => {
    const service = destination('a', { zone: 'east' })
    const list = (type: string): Resource[] =>
      [generator('g', '{{ .Name }}.{{ .Zone }}.mesh.local'), service].filter((each) => each.type === type)
    assert.deepEqual(destinationHostnames({ store: { list }, registry, mode: 'global', zone: '' }, service), [
      { hostname: 'a.east.mesh.local', zones: ['east'] },
    ])
  })
})
