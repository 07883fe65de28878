// The serving side of a test: cells, a snapshot of them, and one stream to one simulated proxy, in a time that only the test moves.
import { FakeClock } from '@weft/foundation/time'
import { createCell } from '../cell.ts'
import type { ProxySnapshot, ResourceCell, XdsType } from '../contract.ts'
import { createDelivery } from '../delivery.ts'
import { DeltaStream } from '../delta-stream.ts'
import { encodeResource } from '../encode-resource.ts'
import { createTurnQueue } from '../turn-queue.ts'
import { xdsTypes } from '../type-urls.ts'
import { type Content, SimulatedEnvoy, type Temper } from './simulated-envoy.ts'

export class World {
  readonly clock = new FakeClock()
  readonly envoy: SimulatedEnvoy
  readonly contents: Record<XdsType, Map<string, Content>> = {
    cluster: new Map(),
    endpoint: new Map(),
    secret: new Map(),
    listener: new Map(),
  }
  readonly #cells: Record<XdsType, Map<string, ResourceCell>> = {
    cluster: new Map(),
    endpoint: new Map(),
    secret: new Map(),
    listener: new Map(),
  }
  readonly #awaited: Record<XdsType, Set<string>> = { cluster: new Set(), endpoint: new Set(), secret: new Set(), listener: new Set() }
  readonly #queue = createTurnQueue(this.clock, 1_000)
  readonly nacks: string[] = []
  stream: DeltaStream
  /** Takes responses in place of the proxy. */
  intercept: ((response: Buffer) => void) | undefined
  /** Responses the transport takes before it blocks. */
  window = Number.POSITIVE_INFINITY

  /** How long clusters outlive the last listener that named them. */
  readonly #drainMs: number
  /** Number of what is committed; moved by the test. */
  position = 0
  readonly delivery = createDelivery(() => this.position)

  constructor(temper: Temper = { outspoken: true, partial: true }, retain = false, drainMs = 0) {
    this.#drainMs = drainMs
    this.envoy = new SimulatedEnvoy(temper)
    this.stream = this.#open(retain)
  }

  /** Changes contents without telling anyone yet. `undefined` removes. */
  edit(type: XdsType, name: string, content: Content | undefined): void {
    if (content === undefined) this.contents[type].delete(name)
    else this.contents[type].set(name, content)
  }

  /** Writes contents into cells. Names without content are left alone, as a snapshot that still holds them would be. */
  publishCells(): void {
    for (const type of xdsTypes) {
      for (const [name, content] of this.contents[type]) this.#cell(type, name).set(encoded(type, name, content))
    }
  }

  /** From now on snapshots hold this cell, which has no content yet. */
  await(type: XdsType, name: string): void {
    this.#cells[type].set(name, createCell(type, name, 'awaited'))
    this.#awaited[type].add(name)
  }

  /** Gives the stream a snapshot of all cells that have content. */
  publishSnapshot(): void {
    const cells = (type: XdsType): ReadonlyMap<string, ResourceCell> =>
      new Map([...this.contents[type].keys(), ...this.#awaited[type]].map((name) => [name, this.#cell(type, name)]))
    const snapshot: ProxySnapshot = {
      cluster: cells('cluster'),
      endpoint: cells('endpoint'),
      listener: cells('listener'),
      secret: cells('secret'),
    }
    this.stream.assign(snapshot)
  }

  publish(): void {
    this.publishCells()
    this.publishSnapshot()
  }

  reconnect(retain = false): void {
    this.stream.close('cancelled')
    this.stream = this.#open(retain)
  }

  /** Lets some types change in recovery. */
  relaxRecovery(mayChange: (type: XdsType) => boolean): void {
    this.envoy.mayChange = mayChange
    this.stream.relaxRecovery(mayChange)
  }

  endRecovery(): void {
    this.envoy.recovering = false
    this.stream.endRecovery()
  }

  /** One request reaches the stream. */
  passRequest(): void {
    const next = this.envoy.nextRequest()
    if (next !== undefined) this.stream.handle(next)
  }

  drain(): void {
    this.window = Number.POSITIVE_INFINITY
    this.stream.drained()
  }

  /** Lets everything happen that will happen within `ms`. */
  settle(ms = 150): void {
    for (let waited = 0; ; waited += 50) {
      for (let rounds = 0; rounds < 500; rounds++) {
        this.clock.advance(0)
        if (this.envoy.idle) break
        while (!this.envoy.idle) {
          this.envoy.processNext()
          this.passRequest()
        }
      }
      if (waited >= ms) return
      this.clock.advance(50)
    }
  }

  #open(retain: boolean): DeltaStream {
    this.window = Number.POSITIVE_INFINITY
    this.envoy.connect()
    this.envoy.recovering = retain && this.envoy.resumed
    this.envoy.mayChange = () => false
    return new DeltaStream({
      clock: this.clock,
      queue: this.#queue,
      controlPlane: 'cp-1',
      retain,
      limits: { drainMs: this.#drainMs },
      delivery: this.delivery.stream('default/web'),
      send: (response) => {
        if (this.intercept === undefined) this.envoy.deliver(response)
        else this.intercept(response)
        this.window -= 1
        return this.window > 0
      },
      fail: (error) => {
        throw error
      },
      events: {
        onListenerForced: (name) => this.envoy.excused.add(name),
        onNack: ({ error }) => this.nacks.push(error),
      },
    })
  }

  #cell(type: XdsType, name: string): ResourceCell {
    let cell = this.#cells[type].get(name)
    if (cell === undefined) {
      cell = createCell(type, name)
      this.#cells[type].set(name, cell)
    }
    return cell
  }
}

function encoded(type: XdsType, name: string, content: Content) {
  const resource = encodeResource(type, name, new TextEncoder().encode(JSON.stringify(content)), {
    ...(content.endpoints === undefined ? {} : { endpoints: [content.endpoints] }),
    ...(content.clusters === undefined ? {} : { clusters: content.clusters }),
    ...(content.after === undefined ? {} : { after: content.after }),
    ...(content.secrets === undefined ? {} : { secrets: content.secrets }),
  })
  return content.address === undefined ? resource : { ...resource, address: content.address }
}
