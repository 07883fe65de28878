// The child of `spawnFleet`: one fleet, driven by its parent's calls.
import { messageOf } from '@weft/foundation/errors'
import { createFleet, type FleetOptions } from './fleet.ts'
import { type FleetAnswer, fleetCalls, type FleetRequest } from './fleet-process.ts'
import { rehearse } from './rehearsal.ts'

// an interrupt goes to the whole group; the parent decides when this ends
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit(0))

// nothing is done for the first time while something is measured: no call is answered before
const rehearsed = rehearse()
// written by the parent with JSON.stringify of these very options
const fleet = createFleet(JSON.parse(process.argv[2] ?? '{}') as FleetOptions)

process.on('message', (message) => void answer(message as FleetRequest))

async function answer({ id, call, args }: FleetRequest): Promise<void> {
  try {
    if (!fleetCalls.includes(call)) throw new Error(`a fleet has no call ${String(call)}`)
    await rehearsed
    // the parent's methods have the parameters of the fleet's
    const method = fleet[call] as (...args: readonly unknown[]) => unknown
    send({ id, result: await method(...args) })
  } catch (error) {
    send({ id, error: messageOf(error) })
  }
}

function send(message: FleetAnswer): void {
  process.send?.(message)
}
