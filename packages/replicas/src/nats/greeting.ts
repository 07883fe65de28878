// Whether a NATS server speaks. It always speaks first; the client, connected to one that does not (a stopped process, a black hole), gives up
// but leaves the connection open for good. So the server is heard before the client is let at it.
import { connect } from 'node:net'
import type { Clock } from '@weft/foundation/time'
import { afterReading } from '../answer-deadline.ts'

/** Resolves when the server greets on a connection of its own, and rejects with the reason why it does not within `ms`. */
export function hearGreeting({ host, port }: { readonly host: string; readonly port: number }, clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    const timer = afterReading(clock, ms, () => end(new Error('the server says nothing')))
    const end = (error: Error | undefined): void => {
      timer.cancel()
      socket.destroy()
      if (error) reject(error)
      else resolve()
    }
    let said = ''
    socket.on('data', (bytes) => {
      said += bytes.toString('latin1', 0, 5 - said.length)
      if (said.length >= 5) end(/^info\s$/i.test(said) ? undefined : new Error('what answers there is no NATS server'))
    })
    socket.on('error', end)
    socket.on('close', () => end(new Error('the connection ended')))
  })
}
