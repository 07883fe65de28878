// Every field and every enumerated value of every policy is part of a golden case.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Schema } from '@weft/foundation/schema'
import { policies } from './policies.ts'

/** What the engine does with references has cases of its own; these values no policy may have (contract/policies.md section 3). */
const left: readonly RegExp[] = [
  /^(to\[\]\.)?targetRef\b/,
  /^to\[\]\.hostnames\b/,
  /\.urlRewrite\.hostToBackendHostname$/,
  /\.backendRefs?(\[\])?\.kind=(Mesh|MeshHTTPRoute|Dataplane)$/,
]

/** Paths of all leaves of a schema; an enumerated leaf has one path for each value. */
function leavesOf(schema: Schema, at = ''): readonly string[] {
  switch (schema.type) {
    case 'object':
      return Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => leavesOf(inner, at === '' ? key : `${at}.${key}`))
    case 'array':
      return leavesOf(schema.items, `${at}[]`)
    default:
      return 'enum' in schema && schema.enum ? schema.enum.map((value) => `${at}=${String(value)}`) : [at]
  }
}

/** Paths of a value, in the same form. */
function pathsOf(value: unknown, at = ''): readonly string[] {
  if (Array.isArray(value)) return [at, ...value.flatMap((item) => pathsOf(item, `${at}[]`))]
  if (typeof value === 'object' && value !== null)
    return [at, ...Object.entries(value).flatMap(([key, item]) => pathsOf(item, at === '' ? key : `${at}.${key}`))]
  return [at, `${at}=${String(value)}`]
}

/** Both directions have the same conf, read by the same code. */
function shared(path: string): string {
  return path.replace(/^(to|rules)\[\]\.default\b/, 'default')
}

const folders = readdirSync(import.meta.dirname).filter((name) => name.startsWith('mesh-'))
const seen = new Map<string, Set<string>>()
for (const folder of folders) {
  for (const file of readdirSync(join(import.meta.dirname, folder, 'cases')).filter((name) => name.endsWith('.input.json'))) {
    const { policies: given } = JSON.parse(readFileSync(join(import.meta.dirname, folder, 'cases', file), 'utf8')) as {
      policies: { type: string; spec: unknown }[]
    }
    for (const { type, spec } of given) {
      const paths = seen.get(type) ?? new Set()
      seen.set(type, paths)
      for (const path of pathsOf(spec)) paths.add(shared(path))
    }
  }
}

for (const { resource } of policies) {
  void test(`${resource.type}: every field has a golden case`, () => {
    const wanted = new Set(
      leavesOf(resource.spec)
        .filter((leaf) => !left.some((pattern) => pattern.test(leaf)))
        .map(shared),
    )
    assert.ok(wanted.size > 0)
    assert.deepEqual(
      [...wanted].filter((leaf) => !seen.get(resource.type)?.has(leaf)),
      [],
    )
  })
}
