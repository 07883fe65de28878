// npm run check: everything about the tree that can be judged without running it.
import { checkBoundaries } from './check-boundaries.ts'
import { checkFiles } from './check-files.ts'
import { checkGenerated } from './generate.ts'
import { root, run } from './run-command.ts'

const steps: readonly (readonly [string, () => boolean | Promise<boolean>])[] = [
  ['format', () => run('biome', ['format', '.'])],
  ['lint', () => run('oxlint', ['--type-aware', '--quiet', 'packages', 'apps', 'tools', 'test'])],
  ['types', () => run('tsc', ['-p', '.'])],
  ['boundaries', () => report(checkBoundaries(root))],
  ['files', () => report(checkFiles(root))],
  ['generated files', async () => report(await checkGenerated(root))],
]

function report(problems: readonly string[]): boolean {
  for (const problem of problems) console.log(`  ${problem}`)
  return problems.length === 0
}

let failed = 0
for (const [name, step] of steps) {
  const start = performance.now()
  const ok = await step()
  if (!ok) failed++
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
}
process.exit(failed === 0 ? 0 : 1)
