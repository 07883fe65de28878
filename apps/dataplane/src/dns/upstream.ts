// Questions for names outside of the mesh: asked of the resolvers in turn, each time with a random id from a socket of its own, so that an answer can be
// forged only by guessing both. Bytes go through as they are; only the id is ours.
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { messageOf } from '@weft/foundation/errors'
import type { Clock } from '@weft/foundation/time'
import { answersQuery, type Query, rcodeOf, rcodes, withId } from './message.ts'
import type { Resolver, ResolverSet } from './resolv-conf.ts'
import { frameMessage, messageFramer } from './stream-framing.ts'

export type Transport = 'udp' | 'tcp'

export interface UpstreamOptions {
  /** Asked for at every query: the set may change. */
  readonly resolvers: () => ResolverSet
  readonly clock: Clock
}

export interface Upstream {
  /**
   * The answer of the first resolver that knows, under the query's own id; else the last one's refusal. Rejects when none answered in time, or
   * when too many queries wait.
   */
  ask(query: Query, transport: Transport): Promise<Buffer>
  /** Ends what is under way. */
  close(): void
}

/** Queries under way, each with a socket. */
const maxActive = 256
/** Queries that wait for one of them to end. */
const maxWaiting = 1024
/** All tries together: clients ask again after five seconds. */
const totalMs = 5_000
/** Datagrams from the resolver that answer something else; more are an attack. */
const maxForgeries = 64

/** An upstream that has opened nothing yet. */
export function createUpstream({ resolvers, clock }: UpstreamOptions): Upstream {
  const stop = new AbortController()
  const waiting: (() => void)[] = []
  let active = 0

  const enter = async (): Promise<void> => {
    if (active < maxActive) {
      active++
      return
    }
    if (waiting.length >= maxWaiting) throw new Error('too many queries wait for resolvers')
    // the one that ends hands its place on
    await new Promise<void>((done) => waiting.push(done))
  }
  const leave = (): void => {
    const next = waiting.shift()
    if (next === undefined) active--
    else next()
  }
  const ask = async (query: Query, transport: Transport): Promise<Buffer> => {
    const set = resolvers()
    const deadline = clock.monotonic() + totalMs
    let refusal: Buffer | undefined
    let failure = 'there is no resolver'
    for (let attempt = 0; attempt < set.attempts; attempt++) {
      for (const resolver of set.resolvers) {
        const left = deadline - clock.monotonic()
        if (left <= 0 || stop.signal.aborted) break
        try {
          const answer = await exchange(query, resolver, {
            transport,
            timeoutMs: Math.min(set.timeoutMs, left),
            clock,
            signal: stop.signal,
          })
          if (!isRefusal(answer)) return answer
          refusal = answer
        } catch (error) {
          failure = `${resolver.address}:${resolver.port}: ${messageOf(error)}`
        }
      }
      // refused by everyone that answers: asking again changes nothing
      if (refusal !== undefined) return refusal
    }
    throw new Error(failure)
  }
  return {
    ask: async (query, transport) => {
      await enter()
      try {
        return await ask(query, transport)
      } finally {
        leave()
      }
    },
    close: () => stop.abort(),
  }
}

/** Another resolver may know better. */
function isRefusal(answer: Buffer): boolean {
  const rcode = rcodeOf(answer)
  return rcode !== rcodes.noError && rcode !== rcodes.nameError
}

interface Exchange {
  readonly transport: Transport
  readonly timeoutMs: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

async function exchange(query: Query, resolver: Resolver, options: Exchange): Promise<Buffer> {
  const id = randomInt(0x10000)
  const sent = withId(query.bytes, id)
  const answer = await (options.transport === 'udp' ? overUdp : overTcp)(sent, resolver, {
    ...options,
    accepts: (received) => answersQuery(received, query, id),
  })
  return withId(answer, query.id)
}

interface Try extends Exchange {
  accepts(received: Buffer): boolean
}

function overUdp(sent: Buffer, { address, port }: Resolver, options: Try): Promise<Buffer> {
  return new Promise((done, fail) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
    const end = ending(options, () => socket.close(), fail)
    let forgeries = 0
    socket.on('error', (error) => end(() => fail(error)))
    socket.on('message', (received) => {
      if (options.accepts(received)) return end(() => done(received))
      if (++forgeries >= maxForgeries) end(() => fail(new Error('answers to other questions')))
    })
    // connected: the kernel picks a random port and drops what others send to it
    socket.connect(port, address, () => {
      if (!options.signal.aborted) socket.send(sent)
    })
  })
}

function overTcp(sent: Buffer, { address, port }: Resolver, options: Try): Promise<Buffer> {
  return new Promise((done, fail) => {
    const socket = connect({ host: address, port })
    const end = ending(options, () => socket.destroy(), fail)
    const read = messageFramer((received) => {
      if (options.accepts(received)) end(() => done(received))
      else end(() => fail(new Error('answer to another question')))
    })
    socket.on('error', (error) => end(() => fail(error)))
    socket.on('close', () => end(() => fail(new Error('connection closed'))))
    socket.on('data', read)
    socket.write(frameMessage(sent))
  })
}

/** What ends a try exactly once: its result, its time, or the end of everything. */
function ending({ timeoutMs, clock, signal }: Try, release: () => void, fail: (error: Error) => void): (settle: () => void) => void {
  let hasEnded = false
  const end = (settle: () => void): void => {
    if (hasEnded) return
    hasEnded = true
    timer.cancel()
    signal.removeEventListener('abort', aborted)
    release()
    settle()
  }
  const aborted = (): void => end(() => fail(new Error('stopped')))
  const timer = clock.after(timeoutMs, () => end(() => fail(new Error(`no answer within ${Math.round(timeoutMs)} ms`))))
  signal.addEventListener('abort', aborted)
  return end
}
