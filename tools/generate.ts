// npm run generate: rewrites every generated file. The check compares instead of writing; message types are compared by the tests of proto.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { generators } from './generate/generators.ts'
import { generateProto } from './generate/proto.ts'
import { root } from './run-command.ts'

/** Problems with generated files: missing or stale ones, by path. */
export async function checkGenerated(base: string): Promise<readonly string[]> {
  const problems: string[] = []
  for (const [path, content] of await all(base)) {
    if (read(join(base, path)) !== content) problems.push(`${path}: stale; run npm run generate`)
  }
  return problems
}

async function all(base: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (const generator of generators) for (const [path, content] of await generator(base)) files.set(path, content)
  return files
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

if (import.meta.main) {
  await generateProto(root)
  for (const [path, content] of await all(root)) {
    if (read(join(root, path)) === content) continue
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
    console.log(`wrote ${path}`)
  }
}
