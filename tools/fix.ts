// npm run fix: formats the tree and rewrites generated files.
import { run } from './run-command.ts'

const ok = run('node', ['tools/generate.ts']) && run('biome', ['format', '--write', '.'])
process.exit(ok ? 0 : 1)
