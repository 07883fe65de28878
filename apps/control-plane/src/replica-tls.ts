// The certificates of this process for the inter-CP port, issued anew when the authority in the store is replaced.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'
import { issueReplicaIdentity, type ReplicaIdentity, replicaAuthoritySecret } from '@weft/identity'
import type { ReplicaTls } from '@weft/replicas'
import type { Store } from '@weft/store'

export interface FollowedReplicaTls extends ReplicaTls {
  close(): void
}

/** Makes the authority if the store has none. Errors: identity/invalid-ca, store/... */
export async function followReplicaTls(options: {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly instanceId: string
}): Promise<FollowedReplicaTls> {
  const { store, log } = options
  const listeners = new Set<(next: ReplicaIdentity) => void>()
  let current = await issueReplicaIdentity(options)
  let issuing = Promise.resolve()
  const renew = async (): Promise<void> => {
    try {
      const next = await issueReplicaIdentity(options)
      if (next.caPem === current.caPem) return
      current = next
      log.info('the authority of the inter-cp port was replaced')
      for (const listener of listeners) listener(next)
    } catch (error) {
      log.error({ err: messageOf(error) }, 'the authority of the inter-cp port cannot be used: the former one stays')
    }
  }
  const unwatch = store.watch(store.seq, (changes) => {
    if (!changes.some(({ key }) => key.type === 'GlobalSecret' && key.name === replicaAuthoritySecret)) return
    issuing = issuing.then(renew)
  })
  return {
    get current() {
      return current
    },
    onChange: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: unwatch,
  }
}
