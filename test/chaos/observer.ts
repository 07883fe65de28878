// Looks at one control plane again and again and writes down what is new, changed or gone there.
import { getJson } from '../../apps/demo/src/rest.ts'
import { isObject, kinds, listed, type Listed } from './canonical.ts'
import type { Happening, History, Key, Place } from './history.ts'

export interface Observer {
  /** What its last look at each kind showed. */
  readonly held: ReadonlyMap<Key, Listed>
  /** One more look, complete. False when the control plane did not answer all of it. */
  look(): Promise<boolean>
  /** While closed nothing is looked at: what is at the address is not the place. */
  closeEyes(isClosed: boolean): Promise<void>
  /** Looks from time to time until `stop`. */
  start(): void
  stop(): Promise<void>
}

const pauseMs = 250
const pageSize = 1000

export function createObserver(place: Place, { api, history }: { readonly api: string; readonly history: History }): Observer {
  const held = new Map<Key, Listed>()
  let running: Promise<void> | undefined
  let isStopped = false
  let isClosed = false
  let looking: Promise<boolean> | undefined

  const note = (happening: Happening): void => history.add(happening)
  const lookAt = async (kind: (typeof kinds)[number]): Promise<boolean> => {
    const list = await getJson(`${api}/${kind.path}?size=${pageSize}`)
    if (!isObject(list) || !Array.isArray(list['items']) || list['next'] !== null) return false
    const now = new Map(
      list['items']
        .filter(isObject)
        .map((item) => listed(item, place))
        .map((item) => [item.key, item]),
    )
    for (const [key, item] of now) {
      const before = held.get(key)
      held.set(key, item)
      if (before?.digest === item.digest && before.zone === item.zone) continue
      note({ kind: 'seen', by: place, key, value: item.value })
      // an own resource may be unlabelled at its zone
      const zone = item.zone === '' && place !== 'global' && item.author === place ? place : item.zone
      if (item.author !== undefined) note({ kind: 'author', place, key, zone: zone || 'global', author: item.author })
    }
    for (const key of held.keys()) {
      if (!key.startsWith(`${kind.type}|`) || now.has(key)) continue
      held.delete(key)
      note({ kind: 'gone', place, key })
    }
    return true
  }
  const countSubscriptions = async (): Promise<void> => {
    const list = await getJson(`${api}/zones+insights?size=${pageSize}`)
    for (const item of isObject(list) && Array.isArray(list['items']) ? list['items'].filter(isObject) : []) {
      const insight = isObject(item['zoneInsight']) ? item['zoneInsight'] : {}
      const subscriptions = Array.isArray(insight['subscriptions']) ? insight['subscriptions'].filter(isObject) : []
      const open = subscriptions.filter((each) => each['connectTime'] && !each['disconnectTime']).length
      note({ kind: 'subscriptions', zone: String(item['name']), open })
    }
  }
  const look = async (): Promise<boolean> => {
    if (isClosed) return false
    let isComplete = true
    for (const kind of kinds) isComplete = (await lookAt(kind)) && isComplete
    if (place === 'global') await countSubscriptions()
    return isComplete
  }
  // two looks at once could write down an older list after a newer one
  const lookAlone = (): Promise<boolean> => {
    const next = (looking ?? Promise.resolve(true)).then(look)
    looking = next
    return next
  }
  return {
    held,
    look: lookAlone,
    closeEyes: async (next) => {
      isClosed = next
      await looking
    },
    start: () => {
      running = (async () => {
        while (!isStopped) {
          await lookAlone()
          await new Promise((next) => setTimeout(next, pauseMs))
        }
      })()
    },
    stop: async () => {
      isStopped = true
      await running
    },
  }
}
