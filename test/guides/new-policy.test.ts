// The guide to a new policy, done: its files are laid into a copy of the package, its line into the list, and its cases run.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { root } from '../../tools/run-command.ts'

const guide = readFileSync(join(root, 'docs/guides/new-policy.md'), 'utf8')

/** The blocks that the guide marks with what they are. */
function blocks(kind: 'file' | 'line'): ReadonlyMap<string, string> {
  const found = [...guide.matchAll(new RegExp(`<!-- ${kind}: (\\S+) -->\\n\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``, 'g'))]
  return new Map(found.map(([, name = '', text = '']) => [name, text]))
}

/** A copy of the package's sources beside the package itself, where imports of the others resolve. */
function copyOfPolicies(): Disposable & { readonly src: string } {
  const folder = mkdtempSync(join(root, 'packages/policies/.copy-'))
  const src = join(folder, 'src')
  cpSync(join(root, 'packages/policies/src'), src, { recursive: true })
  return { src, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}

test('a folder and a line make a policy that takes effect', { timeout: 400_000 }, () => {
  using copy = copyOfPolicies()
  const files = blocks('file')
  assert.deepEqual([...new Set([...files.keys()].map((name) => name.split('/')[0]))], ['mesh-server-name'], 'one folder')
  for (const [name, text] of files) {
    mkdirSync(dirname(join(copy.src, name)), { recursive: true })
    writeFileSync(join(copy.src, name), text)
  }
  const lines = blocks('line')
  assert.deepEqual([...lines.keys()], ['policies.ts'], 'one list')
  const list = readFileSync(join(copy.src, 'policies.ts'), 'utf8')
  const imports = ['envoy', 'resource'].map((file) => {
    const name = file === 'envoy' ? 'meshServerNamePlugin' : 'meshServerName'
    return `import { ${name} } from './mesh-server-name/${file}.ts'\n`
  })
  const line = lines.get('policies.ts') ?? ''
  assert.equal(line.trim().split('\n').length, 1, 'one line')
  writeFileSync(join(copy.src, 'policies.ts'), imports.join('') + list.replace(/\n\]\.toSorted/, `\n${line}].toSorted`))

  const run = (golden: boolean): { readonly status: number | null; readonly output: string } => {
    const done = spawnSync(process.execPath, ['--test', '--test-reporter=tap', join(copy.src, 'mesh-server-name/envoy.test.ts')], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], ...(golden ? { UPDATE_GOLDEN: '1' } : {}) },
    })
    return { status: done.status, output: done.stdout + done.stderr }
  }
  assert.notEqual(run(false).status, 0, 'without a golden file the case fails')
  const written = run(true)
  assert.equal(written.status, 0, written.output)
  const golden = readFileSync(join(copy.src, 'mesh-server-name/cases/named.golden.json'), 'utf8')
  assert.match(golden, /"serverName": "strong"/)
  assert.equal(run(false).status, 0)
})
