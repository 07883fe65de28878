// What the replicas of a zone tell each other of trust: which roots the proxies of each accept, and, from the leader, which ones global says that
// the other zones accept. A new authority issues only when that is true of all. One observed resource for each replica, never sent anywhere.
import { messageOf } from '@weft/foundation/errors'
import { field } from '@weft/foundation/json'
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import type { KdsClient } from '@weft/kds'
import type { ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import type { Leadership } from './leadership.ts'

type TrustClient = Pick<KdsClient, 'isTrustedElsewhere' | 'reportTrusted'>

export interface TrustOfReplicasNeeds {
  readonly store: Store
  readonly leadership: Pick<Leadership, 'lease' | 'mayWrite'>
  readonly instanceId: string
  /** Other replicas that live, as far as is known. */
  members(): Iterable<string>
  /** Towards global; undefined in a standalone zone. Read from `start` on. */
  readonly client: () => (TrustClient & Pick<KdsClient, 'onConnection'>) | undefined
  /** Called when a root may be trusted by all that was not before. */
  readonly onChange: () => void
  readonly clock: Clock
  readonly log: Logger
}

export interface TrustOfReplicas extends Component, TrustClient {
  /** Replicas that have told something, also those that are not there any more: they are waited for until they are forgotten. */
  named(): readonly string[]
  /** One that died, and whose proxies had their time to come elsewhere. */
  forget(instanceId: string): void
}

const type = 'ReplicaTrust'
const retryMs = 1000
const context = { actor: 'generator:replica-trust', reason: 'status', class: 'observed' } as const
const none: ReadonlySet<string> = new Set()

interface Told {
  /** Roots (`trustedName`) that all proxies of the replica accept. */
  readonly trusted: ReadonlySet<string>
  /** Of the leader: those that all other zones accept, too. */
  readonly elsewhere: ReadonlySet<string>
}

/** Has told nothing yet, and follows nobody before `start`. */
export function createTrustOfReplicas(needs: TrustOfReplicasNeeds): TrustOfReplicas {
  const { store, leadership, instanceId, clock, log } = needs
  const stops: (() => void)[] = []
  let trusted = none
  let hasTold = false
  let reported = ''
  let writing: Promise<void> | undefined
  let isStale = false
  let retry: Timer | undefined
  let isStopped = false

  const tellers = (): ReadonlySet<string> => new Set([...named(store), ...needs.members()].filter((of) => of !== instanceId))
  const told = (of: string): Told => (of === instanceId ? { trusted, elsewhere: none } : toldBy(store, of))
  /** What each other replica told is read once, for however many names. */
  const trustedByOthers = (): ((name: string) => boolean) => {
    const theirs = [...tellers()].map((of) => told(of).trusted)
    return (name) => theirs.every((names) => names.has(name))
  }
  /** What global says, by way of the leader where that is another replica. */
  const isTrustedInOtherZones = (name: string): boolean => {
    const client = needs.client()
    if (!client) return true
    if (leadership.mayWrite()) return client.isTrustedElsewhere(name)
    const { holder } = leadership.lease
    return holder !== undefined && told(holder).elsewhere.has(name)
  }
  const current = (): Told => {
    const client = needs.client()
    if (!client || !leadership.mayWrite()) return { trusted, elsewhere: none }
    const candidates = new Set([trusted, ...[...tellers()].map((of) => told(of).trusted)].flatMap((names) => [...names]))
    return { trusted, elsewhere: new Set([...candidates].filter((name) => client.isTrustedElsewhere(name))) }
  }
  const report = (): void => {
    if (!hasTold || !leadership.mayWrite()) return
    const names = [...trusted].filter(trustedByOthers()).sort()
    if (names.join() === reported) return
    reported = names.join()
    needs.client()?.reportTrusted(new Set(names))
  }
  const write = async (): Promise<void> => {
    while (isStale && !isStopped) {
      isStale = false
      const now = current()
      if (isSame(now, toldBy(store, instanceId)) && store.get(keyOf(instanceId))) continue
      try {
        const spec = { trusted: [...now.trusted].sort(), elsewhere: [...now.elsewhere].sort() }
        await store.transact([{ op: 'put', resource: { ...keyOf(instanceId), labels: {}, spec } }], context)
      } catch (error) {
        log.warn({ err: messageOf(error) }, 'other replicas are not told what proxies here trust, trying again')
        retry = clock.after(retryMs, publish)
      }
    }
  }
  const publish = (): void => {
    if (!hasTold || isStopped) return
    isStale = true
    writing ??= write().finally(() => (writing = undefined))
  }
  const looked = (): void => {
    report()
    publish()
    needs.onChange()
  }

  return {
    name: 'trust-of-replicas',
    isTrustedElsewhere: (name) => trustedByOthers()(name) && isTrustedInOtherZones(name),
    reportTrusted: (names) => {
      trusted = names
      hasTold = true
      report()
      publish()
    },
    named: () => named(store),
    forget: (of) => {
      store.transact([{ op: 'delete', key: keyOf(of), ifPresent: true }], context).catch((error: unknown) => {
        log.warn({ err: messageOf(error), replica: of }, 'what a dead replica told of trust could not be removed')
      })
    },
    start: async () => {
      stops.push(
        store.watch(store.seq, (changes) => {
          if (changes.some(({ key }) => key.type === type && key.name !== instanceId)) looked()
        }),
        leadership.lease.onChange(looked),
        needs.client()?.onConnection(looked) ?? (() => {}),
      )
      looked()
    },
    stop: async () => {
      isStopped = true
      for (const stop of stops.splice(0)) stop()
      retry?.cancel()
      await writing
      // who stops in order has no proxies any more; without the database the others find out as of one that died
      await store.transact([{ op: 'delete', key: keyOf(instanceId), ifPresent: true }], context).catch(() => {})
    },
  }
}

function keyOf(instanceId: string): ResourceKey {
  return { type, mesh: '', name: instanceId }
}

function named(store: Pick<Store, 'list'>): readonly string[] {
  return store.list(type).map(({ name }) => name)
}

function toldBy(store: Pick<Store, 'get'>, instanceId: string): Told {
  const spec = store.get(keyOf(instanceId))?.spec
  return { trusted: namesIn(field(spec, 'trusted')), elsewhere: namesIn(field(spec, 'elsewhere')) }
}

function namesIn(value: unknown): ReadonlySet<string> {
  return Array.isArray(value) ? new Set(value.filter((name) => typeof name === 'string')) : none
}

function isSame(a: Told, b: Told): boolean {
  const equal = (one: ReadonlySet<string>, other: ReadonlySet<string>): boolean =>
    one.size === other.size && [...one].every((name) => other.has(name))
  return equal(a.trusted, b.trusted) && equal(a.elsewhere, b.elsewhere)
}
