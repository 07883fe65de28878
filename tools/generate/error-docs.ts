// docs/errors.md from the table of error codes.
import { join } from 'node:path'
import type { Generator } from './generators.ts'

export const errorDocs: Generator = async (root) => {
  // the table is data of this repository, imported by path since tools are no package
  const { errorCodes } = (await import(join(root, 'packages/foundation/src/errors/codes.ts'))) as {
    errorCodes: Readonly<Record<string, string>>
  }
  const rows = Object.entries(errorCodes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([code, meaning]) => `| \`${code}\` | ${meaning} |`)
  const text = `# Error codes\n\nGenerated from \`packages/foundation/src/errors/codes.ts\`. A code is stable; the message beside it names the thing at hand.\n\n| code | what it means and what to do |\n|---|---|\n${rows.join('\n')}\n`
  return new Map([['docs/errors.md', text]])
}
