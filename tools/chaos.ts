// npm run chaos: faults at random against a whole federation, for as many rounds as wanted.
import { main } from '../test/chaos/main.ts'

// control planes lead process groups of their own: whoever stops the run stops them too
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

process.exit(await main(process.argv.slice(2)))
