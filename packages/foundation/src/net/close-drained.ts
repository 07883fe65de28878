// Closing a port that hands its connections to gRPC.
import type { Server, Socket } from 'node:net'
import type { Clock } from '../time/index.ts'

/** What is used of a connection injector of gRPC. */
export interface DrainingInjector {
  /** Says GOAWAY and ends what is left after so long. */
  drain(graceMs: number): void
  destroy(): void
}

export interface CloseOptions {
  readonly injector: DrainingInjector
  /** All connections there are when asked. */
  readonly sockets: () => Iterable<Socket>
  readonly clock: Clock
  readonly drainMs: number
}

/** Takes no new connections, says GOAWAY to those there are, and drops what is left after `drainMs`. Resolves when all are closed. */
export async function closeDrained(server: Server, { injector, sockets, clock, drainMs }: CloseOptions): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  injector.drain(drainMs)
  const timer = clock.after(drainMs, () => {
    for (const socket of sockets()) socket.destroy()
  })
  await closed
  timer.cancel()
  injector.destroy()
}
