// docs/policies: one page for each policy, from its descriptor, its README and its example.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Schema } from '../../packages/foundation/src/schema/index.ts'
import { policies } from '../../packages/policies/src/policies.ts'
import type { ResourceDescriptor } from '../../packages/resources/src/index.ts'
import type { Generator } from './generators.ts'

export const policyDocs: Generator = async (root) => {
  const pages = policies.map(({ resource }) => ({ resource, folder: folderOf(resource.type) }))
  const files = new Map<string, string>()
  for (const { resource, folder } of pages) files.set(`docs/policies/${folder}.md`, page(root, folder, resource))
  const rows = pages.map(({ resource, folder }) => `| [${resource.type}](${folder}.md) | ${reach(resource)} | ${aboutOf(root, folder)} |`)
  const text = `# Policies

Generated from \`packages/policies/src\`. In the order in which they act. \`weft explain dataplane NAME\` shows which of them a proxy has and why.

| policy | says something about | example |
|---|---|---|
${rows.join('\n')}
`
  return files.set('docs/policies/README.md', text)
}

/** `MeshHTTPRoute` lives in `mesh-http-route`. */
export function folderOf(type: string): string {
  return type
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1-$2')
    .replace(/([a-z])([A-Z])/g, '$1-$2')
    .toLowerCase()
}

function source(root: string, folder: string, file: string): string {
  const path = join(root, 'packages/policies/src', folder, file)
  if (!existsSync(path)) throw new Error(`a policy needs packages/policies/src/${folder}/${file}`)
  return readFileSync(path, 'utf8')
}

/** What the example shows, in its own first line. */
function aboutOf(root: string, folder: string): string {
  const [first = ''] = source(root, folder, 'example.yaml').split('\n')
  return first.replace(/^#\s*/, '')
}

function reach({ policy }: ResourceDescriptor): string {
  const places = [
    policy?.to ? 'calls to destinations (`to`)' : '',
    policy?.rules ? 'inbounds (`rules`)' : '',
    policy?.single ? 'whole proxies (`default`)' : '',
  ]
  return places.filter((place) => place !== '').join(', ')
}

function page(root: string, folder: string, resource: ResourceDescriptor): string {
  const readme = source(root, folder, 'README.md').trim()
  const [title = '', ...about] = readme.split('\n')
  return `${title}
${about.join('\n')}

## Example

\`weft apply -f packages/policies/src/${folder}/example.yaml\`

\`\`\`yaml
${source(root, folder, 'example.yaml').trim()}
\`\`\`

## Fields

Short name \`${resource.short ?? ''}\`, REST path \`/meshes/{mesh}/${resource.rest?.path ?? ''}\`. Fields of \`spec\`:

| field | type | default | allowed |
|---|---|---|---|
${fieldRows('', resource.spec, true).join('\n')}

Generated from \`packages/policies/src/${folder}\`.
`
}

/** A row for every field, depth first; parents that are only objects have none of their own unless they are required. */
function fieldRows(path: string, schema: Schema, isRequired: boolean): readonly string[] {
  switch (schema.type) {
    case 'object': {
      const required = new Set(schema.required)
      return Object.entries(schema.properties).flatMap(([name, value]) =>
        fieldRows(path === '' ? name : `${path}.${name}`, value, required.has(name)),
      )
    }
    case 'array': {
      const inner = fieldRows(`${path}[]`, schema.items, false)
      return schema.items.type === 'object' ? [row(path, schema, isRequired), ...inner] : inner
    }
    default:
      return [row(path, schema, isRequired)]
  }
}

function row(path: string, schema: Schema, isRequired: boolean): string {
  const given = 'default' in schema && schema.default !== undefined ? `\`${JSON.stringify(schema.default)}\`` : isRequired ? 'required' : ''
  return `| \`${path}\` | ${typeOf(schema)} | ${given} | ${allowed(schema)} |`
}

function typeOf(schema: Schema): string {
  switch (schema.type) {
    case 'string':
      return schema.format === undefined ? 'text' : schema.format
    case 'array':
      return 'list'
    case 'map':
      return `map of ${typeOf(schema.values)}`
    case 'intOrString':
      return 'integer or text'
    default:
      return schema.type
  }
}

function allowed(schema: Schema): string {
  const parts: string[] = []
  if ('enum' in schema && schema.enum !== undefined) parts.push(schema.enum.map((value) => `\`${value}\``).join(', '))
  if ('minimum' in schema && schema.minimum !== undefined) parts.push(`at least ${schema.minimum}`)
  if ('maximum' in schema && schema.maximum !== undefined) parts.push(`at most ${schema.maximum}`)
  if ('minLength' in schema && schema.minLength !== undefined) parts.push(`${schema.minLength} characters or more`)
  if ('maxLength' in schema && schema.maxLength !== undefined) parts.push(`${schema.maxLength} characters or fewer`)
  if ('minItems' in schema && schema.minItems !== undefined) parts.push(`${schema.minItems} items or more`)
  if ('maxItems' in schema && schema.maxItems !== undefined) parts.push(`${schema.maxItems} items or fewer`)
  return parts.join('; ')
}
