// npm run chaos: faults at random against a whole federation, for as many rounds as wanted.
import { main } from '../test/chaos/main.ts'

process.exit(await main(process.argv.slice(2)))
