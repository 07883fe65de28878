// House rules that a linter does not know: file names, size, and sentences that must not be in the tree.
import { readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { loadPackages, sourceFiles } from './check-boundaries.ts'

const maxLines = 400
const emptyNames = /(^|[-/])(utils?|helpers?|common|misc|manager)([-./]|$)/

/** Every violation as one line of text. */
export function checkFiles(root: string): readonly string[] {
  const problems: string[] = []
  for (const pkg of loadPackages(root)) {
    for (const file of sourceFiles(join(pkg.dir, 'src'))) {
      const where = relative(root, file)
      if (where.includes('/gen/')) continue
      const text = readFileSync(file, 'utf8')
      if (!/^[a-z0-9.-]+$/.test(basename(file))) problems.push(`${where}: file names are kebab-case`)
      if (emptyNames.test(where)) problems.push(`${where}: the name says nothing; name the concept`)
      const lines = text.split('\n').length
      if (lines > maxLines && !file.endsWith('.test.ts')) problems.push(`${where}: ${lines} lines, at most ${maxLines}`)
      if (/\bsetInterval\(/.test(text)) problems.push(`${where}: setInterval; timers go through Clock`)
      if (/\b(test|it|describe)\.(skip|todo|only)\(/.test(text)) problems.push(`${where}: a skipped or exclusive test`)
      if (/\b(TODO|FIXME)\b/.test(text)) problems.push(`${where}: TODO or FIXME; open an issue instead`)
    }
  }
  return problems
}
