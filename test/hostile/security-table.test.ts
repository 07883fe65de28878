// The table of advisories in docs/security.md names tests that exist.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../../tools/run-command.ts'

interface Row {
  readonly advisory: string
  readonly tests: readonly { readonly file: string; readonly name: string }[]
}

function rowsOf(text: string): readonly Row[] {
  const table = text.slice(text.indexOf('| advisory |')).split('\n').slice(2)
  return table
    .filter((line) => line.startsWith('| '))
    .map((line) => {
      const [, advisory = '', , tests = ''] = line.split(' | ').flatMap((cell, index) => (index === 0 ? ['', cell.slice(2)] : [cell]))
      const named = [...tests.matchAll(/`([^`]+\.ts)`: (.*?)(?=; `|\s*\|?$)/g)]
      return { advisory, tests: named.map(([, file = '', name = '']) => ({ file, name: name.trim() })) }
    })
}

const rows = rowsOf(readFileSync(join(root, 'docs/security.md'), 'utf8'))

test('every advisory has tests, and every test exists under that name', () => {
  assert.ok(rows.length >= 20, String(rows.length))
  for (const { advisory, tests } of rows) {
    assert.ok(tests.length > 0, advisory)
    for (const { file, name } of tests) {
      assert.ok(existsSync(join(root, file)), `${advisory}: ${file}`)
      assert.ok(readFileSync(join(root, file), 'utf8').includes(name), `${advisory}: ${file} has no test "${name}"`)
    }
  }
})

test('a name that no file has would be noticed', () => {
  const [first] = rowsOf('| advisory | tried | test |\n|---|---|---|\n| CVE-1 | x | `test/a.ts`: one; `test/b.ts`: two, three |\n')
  assert.deepEqual(first, {
    advisory: 'CVE-1',
    tests: [
      { file: 'test/a.ts', name: 'one' },
      { file: 'test/b.ts', name: 'two, three' },
    ],
  })
})
