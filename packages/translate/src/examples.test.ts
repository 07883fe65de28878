// Every policy's example is applied: through the API as a person would, and through the whole translation to Envoy resources.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { policyDescriptors } from '@weft/policies'
import { parseYamlDocuments } from '@weft/resources'
import { translate } from './translate.ts'

const folder = new URL('../../policies/src/', import.meta.url)
const folderOf = (type: string): string =>
  type
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1-$2')
    .replace(/([a-z])([A-Z])/g, '$1-$2')
    .toLowerCase()

const dataplane = (name: string, port: number): string => `
---
type: Dataplane
mesh: default
name: ${name}-1
labels: {kuma.io/workload: ${name}}
networking:
  address: 10.0.0.${port % 250}
  inbound: [{port: ${port}, name: main, protocol: http}]
  transparentProxying: {redirectPortInbound: 15006, redirectPortOutbound: 15001}
---
type: MeshService
mesh: default
name: ${name}
spec:
  selector: {dataplaneLabels: {matchLabels: {kuma.io/workload: ${name}}}}
  ports: [{port: ${name.startsWith('database') ? 5432 : 80}, targetPort: ${port}, appProtocol: ${name.startsWith('database') ? 'tcp' : 'http'}}]
`
const world = `type: Mesh
name: default
---
type: MeshIdentity
mesh: default
name: identity
spec:
  selector: {dataplane: {matchLabels: {}}}
  provider: {type: Bundled, bundled: {autogenerate: {enabled: true}, insecureAllowSelfSigned: true}}
${['frontend', 'backend', 'backend-v2', 'database', 'database-new', 'builder'].map((name, index) => dataplane(name, 8001 + index)).join('')}`

const documents = (text: string) => parseYamlDocuments(text).map(({ line, value }) => ({ source: `line ${line}`, value }))
const configOf = async (text: string): Promise<{ readonly config: string; readonly problems: readonly unknown[] }> => {
  await using translation = await translate({ documents: documents(text), zone: 'east' })
  assert.deepEqual(translation.refused, [])
  const config = JSON.stringify(translation.dataplanes.map((key) => translation.envoy(key)))
  return { config, problems: translation.dataplanes.flatMap((key) => translation.problems(key)) }
}

void test('every example is a valid policy that changes what some proxy gets', async (context) => {
  const before = await configOf(world)
  for (const { type } of policyDescriptors) {
    await context.test(type, async () => {
      const example = readFileSync(new URL(`${folderOf(type)}/example.yaml`, folder), 'utf8')
      assert.match(example, /^# .+\.$/m, 'the first line says what the example shows')
      const after = await configOf(`${world}---\n${example}`)
      assert.deepEqual(after.problems, [])
      assert.ok(after.config !== before.config, 'no proxy gets anything else')
    })
  }
})
