// What adopting another global would do to a zone: its lists are asked for once, compared with what is stored here, and forgotten. Nothing is
// written, and nothing of the zone but its name and settings is told.
import { status } from '@grpc/grpc-js'
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'
import { serviceDefinition } from '@weft/proto'
import { displayName, nameKey, type Registry, type ResourceDescriptor } from '@weft/resources'
import { jsonEqual, type Store } from '@weft/store'
import { decodeIncoming } from './decode-incoming.ts'
import { zoneFeatures } from './features.ts'
import type { GlobalChannel } from './global-channel.ts'
import { clusterIdOf, clusterIdName, listedClusterId } from './global-pin.ts'
import { fromGlobal, type Incoming } from './incoming.ts'
import { describingNode, type Self } from './peer.ts'
import { greetingOf } from './server-stream.ts'
import type { GlobalComparison, NamedCount, TypeComparison } from './sync-status.ts'
import { decodeResponse, type DeltaResponse, encodeRequest } from './wire.ts'

/** What comparing needs. */
export interface CompareOptions {
  readonly store: Pick<Store, 'get' | 'list'>
  readonly registry: Registry
  readonly clock: Clock
  readonly log: Logger
  /** To the other global; the caller closes it. */
  readonly channel: GlobalChannel
  readonly zone: string
  readonly self: Self
  config(): string
  readonly types: readonly string[]
  /** Cluster id that the global must have. */
  readonly clusterId: string
}

const answerLimitMs = 15_000
const namesShown = 20
/** More than any federation has; a peer could list without end. */
const mostListed = 500_000

/**
 * Compares. Rejects with kds/other-global when a global with another id answers, with kds/not-connected when none answers, or does not say
 * which it is. Types whose list did not come within 15 s are named as unanswered.
 */
export function compareWithGlobal(options: CompareOptions): Promise<GlobalComparison> {
  const { registry, clock, channel, zone, self, types, clusterId } = options
  const incoming = fromGlobal(types)
  const kinds = types.flatMap((type) => registry.get(type) ?? [])
  const open = new Map(kinds.map((kind) => [kind.type, typeInComparison(kind, incoming, options.store)]))
  const done: TypeComparison[] = []
  const { promise, resolve, reject } = Promise.withResolvers<GlobalComparison>()
  let found: string | undefined
  let listed = 0
  let tail = Promise.resolve()
  let isOver = false

  const end = (outcome: () => void): void => {
    if (isOver) return
    isOver = true
    timer.cancel()
    stream.cancel()
    outcome()
  }
  const fail = (error: unknown): void => end(() => reject(error))
  const finish = (): void => {
    if (found === undefined) return fail(unknownGlobal(`it does not list Config ${clusterIdName}`))
    end(() =>
      resolve({
        clusterId,
        types: done.filter(hasEffect).sort((a, b) => (a.type < b.type ? -1 : 1)),
        unanswered: [...open.keys()].sort(),
      }),
    )
  }
  const identified = (id: string | undefined): void => {
    if (id === undefined) return
    found = id
    if (id !== clusterId) fail(new AppError('kds/other-global', `the global that answers now is ${id}, not ${clusterId}`))
  }
  const take = async (response: DeltaResponse): Promise<void> => {
    const state = open.get(response.type)
    if (!state || isOver) return
    if (response.type === 'Config') identified(listedClusterId(response))
    listed += response.resources.length
    if (listed > mostListed) throw unknownGlobal(`it lists more than ${mostListed} resources`)
    await state.take(response)
    stream.write(encodeRequest({ type: response.type, node: { id: zone, metadata: undefined }, nonce: response.nonce }))
    if (response.partial) return
    open.delete(response.type)
    done.push(state.result())
    if (open.size === 0) finish()
  }
  const stream = channel.open(serviceDefinition('kuma.mesh.v1alpha1.KDSSyncService').GlobalToZoneSync, {
    greeted: (metadata) => identified(clusterIdOf(greetingOf(metadata)?.clusterId)),
    data: (bytes) => {
      // one after the other, so that no more than one message is decoded at a time
      tail = tail.then(() => take(decodeResponse(bytes))).catch(fail)
    },
    drained: () => {},
    ended: ({ code, details }) => fail(new AppError('kds/not-connected', `the stream ended: ${details || status[code]}`)),
  })
  const timer = clock.after(answerLimitMs, () =>
    done.length === 0 ? fail(unknownGlobal(`it listed nothing within ${answerLimitMs / 1000} s`)) : finish(),
  )
  const node = describingNode(zone, self, { features: zoneFeatures, config: options.config() })
  for (const { type } of kinds) stream.write(encodeRequest({ type, node, subscribe: new Map() }))
  promise.catch((error: unknown) =>
    options.log.info({ cluster: clusterId, err: messageOf(error) }, 'kds comparison with another global failed'),
  )
  return promise
}

function unknownGlobal(problem: string): AppError {
  return new AppError('kds/not-connected', `the other global cannot be compared with: ${problem}`)
}

interface TypeInComparison {
  take(response: DeltaResponse): Promise<void>
  result(): TypeComparison
}

function typeInComparison(kind: ResourceDescriptor, incoming: Incoming, store: CompareOptions['store']): TypeInComparison {
  const listed = new Set<string>()
  const [overwritten, added, refused] = [counting(), counting(), counting()]
  return {
    take: async ({ resources }) => {
      const decoded = await decodeIncoming(resources, { kind, incoming })
      for (const key of decoded.keys) listed.add(nameKey(key))
      for (const { key } of decoded.refused) refused.add(key)
      for (const resource of decoded.resources) {
        const stored = store.get({ type: kind.type, mesh: resource.mesh, name: resource.name })
        if (!stored) added.add(resource)
        else if (!incoming.owns(kind, stored)) refused.add(resource)
        else if (!jsonEqual(stored.labels, resource.labels) || !jsonEqual(stored.spec, resource.spec)) overwritten.add(resource)
      }
    },
    result: () => {
      const held = counting()
      for (const stored of store.list(kind.type)) if (incoming.owns(kind, stored) && !listed.has(nameKey(stored))) held.add(stored)
      return { type: kind.type, overwritten: overwritten.value, added: added.value, held: held.value, refused: refused.value }
    },
  }
}

function hasEffect({ overwritten, added, held, refused }: TypeComparison): boolean {
  return overwritten.count + added.count + held.count + refused.count > 0
}

type Named = { readonly mesh: string; readonly name: string; readonly labels?: Readonly<Record<string, string>> }

function counting(): { add(resource: Named): void; readonly value: NamedCount } {
  const names: string[] = []
  let count = 0
  return {
    add: ({ mesh, name, labels = {} }) => {
      count++
      if (names.length >= namesShown) return
      const shown = displayName({ name, labels })
      names.push(mesh === '' ? shown : `${mesh}/${shown}`)
    },
    get value() {
      return { count, names: names.sort() }
    },
  }
}
