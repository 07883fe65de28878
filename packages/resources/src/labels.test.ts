import fc from 'fast-check'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  computeLabels,
  computePolicyRole,
  dataplane,
  labelViolations,
  mesh,
  meshExternalService,
  meshMultiZoneService,
  renderTemplate,
  templateNames,
  type LabelPlace,
  type ResourceDescriptor,
  validateResource,
} from './index.ts'

const zone: LabelPlace = { mode: 'zone', zone: 'east', federated: true, environment: 'universal' }
const global: LabelPlace = { mode: 'global', zone: '', federated: false, environment: 'universal' }
const of = (kind: ResourceDescriptor, place: LabelPlace, labels: Readonly<Record<string, string>> = {}, spec: unknown = {}): unknown =>
  computeLabels(kind, { mesh: kind.scope === 'Mesh' ? 'default' : '', name: 'x', labels, spec }, place)

test('a zone marks what it may own with its name and environment', () => {
  assert.deepEqual(of(meshExternalService, zone), {
    'kuma.io/display-name': 'x',
    'kuma.io/env': 'universal',
    'kuma.io/mesh': 'default',
    'kuma.io/origin': 'zone',
    'kuma.io/zone': 'east',
  })
  assert.deepEqual(of(mesh, zone), { 'kuma.io/display-name': 'x', 'kuma.io/origin': 'zone' })
  assert.deepEqual(of(meshMultiZoneService, zone), { 'kuma.io/display-name': 'x', 'kuma.io/mesh': 'default', 'kuma.io/origin': 'zone' })
})

test('global marks origin and mesh only', () => {
  assert.deepEqual(of(meshExternalService, global), { 'kuma.io/display-name': 'x', 'kuma.io/mesh': 'default', 'kuma.io/origin': 'global' })
})

test('display name and origin are set anew, zone and mesh are kept, own labels stay', () => {
  const given = {
    'kuma.io/display-name': 'other',
    'kuma.io/origin': 'global',
    'kuma.io/zone': 'west',
    'kuma.io/mesh': 'kept',
    app: 'a',
    ['__proto__']: 'p',
  }
  const labels = of(meshExternalService, zone, given) as Readonly<Record<string, string>>
  assert.deepEqual(Object.keys(labels), [
    '__proto__',
    'app',
    'kuma.io/display-name',
    'kuma.io/env',
    'kuma.io/mesh',
    'kuma.io/origin',
    'kuma.io/zone',
  ])
  assert.equal(labels['kuma.io/display-name'], 'x')
  assert.equal(labels['kuma.io/origin'], 'zone')
  assert.equal(labels['kuma.io/zone'], 'west')
})

test('zone listeners show in the labels of their dataplane', () => {
  const spec = { networking: { listeners: [{ type: 'ZoneIngress' }, { type: 'ZoneEgress' }] } }
  const labels = of(dataplane, zone, {}, spec) as Readonly<Record<string, string>>
  assert.deepEqual([labels['kuma.io/listener-zoneingress'], labels['kuma.io/listener-zoneegress']], ['enabled', 'enabled'])
})

test('the name on Kubernetes is shown without its namespace', () => {
  const place: LabelPlace = { ...zone, environment: 'kubernetes', namespace: 'ns', systemNamespace: 'kuma-system' }
  const labels = computeLabels(meshExternalService, { mesh: 'default', name: 'x.ns', labels: {}, spec: {} }, place)
  assert.deepEqual([labels['kuma.io/display-name'], labels['k8s.kuma.io/namespace'], labels['kuma.io/env']], ['x', 'ns', 'kubernetes'])
})

test('the role of a policy follows from its namespace and its targets', () => {
  const at = { namespace: 'app', systemNamespace: 'kuma-system' }
  const to = (kind: string, labels: Readonly<Record<string, string>>): unknown => ({ targetRef: { kind, labels } })
  const own = to('MeshService', { 'kuma.io/display-name': 'a' })
  const sameNamespace = to('MeshHTTPRoute', { 'kuma.io/display-name': 'a', 'k8s.kuma.io/namespace': 'app' })
  const otherNamespace = to('MeshService', { 'kuma.io/display-name': 'a', 'k8s.kuma.io/namespace': 'other' })
  assert.equal(computePolicyRole({ to: [own] }, { namespace: '', systemNamespace: 'kuma-system' }), 'system')
  assert.equal(computePolicyRole({ to: [own] }, { namespace: 'kuma-system', systemNamespace: 'kuma-system' }), 'system')
  assert.equal(computePolicyRole({ rules: [{}] }, at), 'workload-owner')
  assert.equal(computePolicyRole({ to: [] }, at), 'workload-owner')
  assert.equal(computePolicyRole({ to: [own, sameNamespace] }, at), 'producer')
  assert.equal(computePolicyRole({ to: [otherNamespace] }, at), 'consumer')
  assert.equal(computePolicyRole({ to: [to('MeshService', { 'kuma.io/display-name': 'a', app: 'b' })] }, at), 'consumer')
  assert.equal(computePolicyRole({ to: [to('Mesh', {})] }, at), 'consumer')
  assert.equal(computePolicyRole({ to: [own, otherNamespace] }, at), 'mixed')
  assert.equal(computePolicyRole({ to: [null, 5, { targetRef: 'x' }] }, at), 'consumer')
})

test('label syntax is reported as Kubernetes does', () => {
  const lines = (labels: Readonly<Record<string, string>>): readonly string[] =>
    labelViolations(labels).map(({ field, message }) => `${field} ${message.slice(0, 60)}`)
  assert.deepEqual(lines({ 'foo/bar/baz': 'bar', '': 'bar', foo: '^*bar' }), [
    'labels[""] name part must be non-empty',
    "labels[\"\"] name part must consist of alphanumeric characters, '-', '_' ",
    'labels["foo"] a valid label must be an empty string or consist of alphanum',
    'labels["foo/bar/baz"] a valid label key must consist of alphanumeric characters, \'',
  ])
  assert.deepEqual(lines({ '/a': '', 'B_C/a': '', ['k'.repeat(64)]: 'v'.repeat(64), 'kuma.io/x': '' }), [
    'labels["/a"] prefix part must be non-empty',
    'labels["B_C/a"] prefix part a lowercase RFC 1123 subdomain must consist of l',
    `labels["${'k'.repeat(64)}"] name part must be no more than 63 characters`,
    `labels["${'k'.repeat(64)}"] must be no more than 63 characters`,
  ])
  assert.deepEqual(lines({ 'kuma.io/display-name': 'n'.repeat(200) }), [])
  for (const range of ['10.0.0.0/8', '2001:db8::/32', '0.0.0.0/0']) assert.deepEqual(lines({ 'weft.io/zone-cidr': range }), [])
  for (const range of ['', '10.0.0.0', '10.0.0.0/33', '/8', 'a/8', '10.0.0.0/x', '10.0.0.0/8/8'])
    assert.deepEqual(lines({ 'weft.io/zone-cidr': range }), [
      'labels["weft.io/zone-cidr"] must be an address and a number of bits, such as 10.0.0.0/8 ',
    ])
})

test('labels of a peer are taken as they are', () => {
  const resource = { mesh: 'm', name: 'x', labels: { 'a b': '!' }, spec: {} }
  assert.equal(
    validateResource(dataplane, resource).some((item) => item.field.startsWith('labels')),
    true,
  )
  assert.equal(
    validateResource(dataplane, resource, { from: 'peer' }).some((item) => item.field.startsWith('labels')),
    false,
  )
})

test('templates know fields, labels and trim markers, and say what they cannot do', () => {
  const input = { fields: { Name: 'n', Zone: 'z' }, labels: { 'a"b': 'quoted', app: 'web' } }
  const text = (template: string): unknown => renderTemplate(template, input)
  assert.deepEqual(text('{{ .Name }}.x.{{.Zone}}'), { text: 'n.x.z' })
  assert.deepEqual(text('a {{- .Name -}} b'), { text: 'anb' })
  assert.deepEqual(text('{{ label "app" }}-{{ label `app` }}-{{ label "a\\"b" }}'), { text: 'web-web-quoted' })
  assert.deepEqual(text('{{ .Missing }}'), { problem: 'missing', detail: 'no field Missing' })
  assert.deepEqual(text('{{ label "no" }}'), { problem: 'missing', detail: 'no label no' })
  assert.deepEqual(text('{{ .constructor }}'), { problem: 'missing', detail: 'no field constructor' })
  assert.deepEqual(text('{{ label "__proto__" }}'), { problem: 'missing', detail: 'no label __proto__' })
  assert.deepEqual(text('{{ if .Name }}x{{ end }}'), { problem: 'unsupported', detail: 'cannot evaluate if .Name' })
  assert.deepEqual(text('{{ .Name'), { problem: 'syntax', detail: 'unclosed action' })
  assert.deepEqual(text('{{ .Name {{ .Zone }}'), { problem: 'syntax', detail: 'unclosed action' })
  assert.deepEqual(text('{{}}'), { problem: 'syntax', detail: 'missing value for command' })
  assert.deepEqual(text('plain'), { text: 'plain' })
  fc.assert(
    fc.property(fc.string(), (template) => {
      const result = renderTemplate(template, input)
      if (!template.includes('{{')) assert.deepEqual(result, { text: template })
    }),
  )
})

test('templates tell which names they use', () => {
  const { fields, labels } = templateNames('{{ .Mesh }}-{{ label "Zone" }}-{{- label `a` -}}-{{ if .Zone }}-x')
  assert.deepEqual([[...fields], [...labels]], [['Mesh'], ['Zone', 'a']])
})
