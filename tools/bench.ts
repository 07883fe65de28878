// npm run bench: measures the control plane and prints each figure beside its goal.
import { main } from './bench/main.ts'

process.exit(await main(process.argv.slice(2)))
