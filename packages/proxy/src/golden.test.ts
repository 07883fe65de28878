import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { buildCase, caseNames, goldenFile, placeholderCertificates } from './testing/golden-case.ts'

describe('golden cases', () => {
  for (const name of caseNames()) {
    test(name, () => {
      const { builder, proxyKey, problems } = buildCase(name, placeholderCertificates)
      const got = `${JSON.stringify(sorted({ problems, xds: builder.describe(proxyKey) }), undefined, 1)}\n`
      const file = goldenFile(name)
      if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, got)
      assert.ok(existsSync(file), `no golden file; make it with UPDATE_GOLDEN=1`)
      assert.deepEqual(JSON.parse(got), JSON.parse(readFileSync(file, 'utf8')))
    })
  }
})

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  )
}
