import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkBoundaries } from './check-boundaries.ts'
import { root } from './run-command.ts'

test('finds upward, undeclared, deep and escaping imports and unused declarations, and nothing else', () => {
  const base = mkdtempSync(join(tmpdir(), 'boundaries-'))
  try {
    const make = (name: string, level: number, deps: Record<string, string>, code: string): void => {
      const dir = join(base, 'packages', name, 'src')
      mkdirSync(dir, { recursive: true })
      const manifest = { name: `@x/${name}`, weft: { level }, exports: { '.': './src/index.ts' }, dependencies: deps }
      writeFileSync(join(base, 'packages', name, 'package.json'), JSON.stringify(manifest))
      writeFileSync(join(dir, 'index.ts'), code)
    }
    mkdirSync(join(base, 'apps'))
    make('low', 1, { '@x/high': '*' }, "import { a } from '@x/high'\n")
    make(
      'high',
      2,
      { '@x/low': '*', 'only-in-a-test': '*', unused: '*' },
      "import fs from 'node:fs'\nimport { b } from '@x/low'\nimport type { c } from '@x/low/src/deep.ts'\nimport d from 'undeclared'\nimport '../../low/src/index.ts'\nimport './missing-ending'\n",
    )
    writeFileSync(join(base, 'packages', 'high', 'src', 'index.test.ts'), "import { e } from 'only-in-a-test/subpath'\n")
    const problems = checkBoundaries(base)
    assert.equal(problems.length, 6, problems.join('\n'))
    assert.match(problems.join('\n'), /level 1 may not import '@x\/high' of level 2/)
    assert.match(problems.join('\n'), /'undeclared' is not declared/)
    assert.match(problems.join('\n'), /deep\.ts' is not exported/)
    assert.match(problems.join('\n'), /leaves the package/)
    assert.match(problems.join('\n'), /high\/package\.json: 'unused' is declared and nothing imports it/)
    assert.match(problems.join('\n'), /needs its \.ts ending/)
  } finally {
    rmSync(base, { recursive: true })
  }
})

test('this repository keeps its own rules', () => {
  assert.deepEqual(checkBoundaries(root), [])
})
