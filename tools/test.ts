// npm test: runs every test file, each in a process of its own, and ends with one line `N passed, N failed`.
// Arguments are path prefixes or parts that choose files: npm test -- packages/graph
import { run as runTests } from 'node:test'
import { spec } from 'node:test/reporters'
import { join, relative } from 'node:path'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { loadPackages, sourceFiles } from './check-boundaries.ts'
import { root } from './run-command.ts'
import { findEnvoy } from './envoy-binary.mjs'

const wanted = process.argv.slice(2)
const folders = [...loadPackages(root).map((p) => join(p.dir, 'src')), join(root, 'tools'), join(root, 'test')]
const files = folders
  .filter((dir) => existsSync(dir))
  .flatMap((dir) => sourceFiles(dir))
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => wanted.length === 0 || wanted.some((part) => relative(root, file).includes(part)))

// the end-to-end tests need a real Envoy; without one they say so and the run goes on
const envoy = findEnvoy({ install: true })
if (envoy) process.env['ENVOY_PATH'] = envoy

let passed = 0
let failed = 0
const fileTimes: { readonly file: string; readonly ms: number }[] = []
const started = performance.now()

/** Runs files, each in a process of its own and for so long at most, and counts. */
async function runFiles(chosen: readonly string[], concurrency: number, timeout: number): Promise<void> {
  if (chosen.length === 0) return
  const stream = runTests({ files: [...chosen], concurrency, timeout })
  stream.on('test:complete', (event) => {
    if (isFile(event.name)) fileTimes.push({ file: relative(root, event.name), ms: event.details.duration_ms })
  })
  stream.on('test:pass', (event) => {
    if (event.details.type !== 'suite' && !event.skip && !isFile(event.name)) passed++
  })
  stream.on('test:fail', (event) => {
    if (event.details.type !== 'suite') failed++
  })
  for await (const chunk of stream.compose(spec)) process.stdout.write(String(chunk))
}

/** A file whose tests all ran is reported as a test of its own; counting it would count twice. */
function isFile(name: string): boolean {
  return name.endsWith('.test.ts')
}

// whole federations one after the other: they measure time and some use fixed ports
const isWhole = (file: string): boolean => relative(root, file).startsWith('test/')
await runFiles(
  files.filter((file) => !isWhole(file)),
  availableParallelism(),
  300_000,
)
// longer than any of their tests may take by its own word
await runFiles(files.filter(isWhole), 1, 1_200_000)

for (const { file, ms } of fileTimes.sort((a, b) => b.ms - a.ms).slice(0, 10))
  if (ms > 10_000) console.log(`${(ms / 1000).toFixed(0).padStart(5)} s  ${file}`)
console.log(`\n${files.length} files in ${((performance.now() - started) / 1000).toFixed(1)} s`)
if (passed + failed === 0) console.log('no test ran')
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 && passed > 0 ? 0 : 1)
