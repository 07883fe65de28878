// Clusters and listeners of outbounds, made and encoded once for all proxies whose keys are equal. Entries hang on the identity of the
// destination fact and of the part of the effective conf that the resource is made by, and die with them; the rest of the key is a text. An edit of a
// cluster's field so makes no listener anew, and what is made anew and says the same stays the same cell, so that no stream looks at it.
import type { ClusterDraft } from '@weft/envoy'
import type { DestinationFact } from '@weft/facts'
import { messageOf } from '@weft/foundation/errors'
import type { ConfByType, OutboundConf } from '@weft/policies'
import { createCell, type ResourceCell, type XdsType } from '@weft/xds'
import { applyOutboundCluster, applyOutboundListener } from './apply-policies.ts'
import { type OutboundClusterKey, type OutboundListenerKey, outboundCluster, outboundListener } from './generators/outbound.ts'
import { type IngressClusterKey, ingressCluster } from './generators/zone-ingress.ts'
import type { ResourceProblem } from './problem.ts'
import { type Finished, finishCluster, finishListener } from './raw-patches.ts'

/** A shared resource; without a cell when it could not be built, or when a policy removed it. */
export interface SharedResource {
  readonly cell: ResourceCell | undefined
  readonly removed: boolean
  readonly problems: readonly ResourceProblem[]
}

/** Shared resources by key, conf and, by identity, the policies that edit finished resources. */
export interface SharedOutbounds {
  cluster(key: OutboundClusterKey, conf: OutboundConf, raw: ConfByType | undefined): SharedResource
  listener(key: OutboundListenerKey, conf: OutboundConf, raw: ConfByType | undefined): SharedResource
  ingressCluster(key: IngressClusterKey, of: DestinationFact, raw: ConfByType | undefined): SharedResource
}

type ByText = Map<string, SharedResource>
/** Resources with something of a single proxy: known while a snapshot holds their cell. */
type OwnedByText = Map<string, WeakRef<SharedResource>>
type ByRaw = WeakMap<object, { readonly shared: ByText; readonly owned: OwnedByText }>
type ByConf = WeakMap<object, ByRaw>

/** `onEncode` is called for every encoding: with sharing, once per distinct key. */
export function createSharedOutbounds(onEncode: (type: XdsType) => void): SharedOutbounds {
  const byDestination = new WeakMap<DestinationFact, ByConf>()
  /** What was made last under a text, by whatever conf. Texts with something of a single proxy are left out: they come and go with proxies. */
  const latest = new WeakMap<DestinationFact, ByText>()
  /** An owned resource lives as long as its cell. */
  const ofCell = new WeakMap<ResourceCell, SharedResource>()
  const forget = new FinalizationRegistry<{ readonly owned: OwnedByText; readonly text: string }>(({ owned, text }) => {
    // a newer resource may have taken the text meanwhile
    if (owned.get(text)?.deref() === undefined) owned.delete(text)
  })
  const ingressConf = {}
  const noRaw = {}

  const remembered = (
    at: { destination: DestinationFact; conf: object; raw: object; ownersDiffer: boolean },
    text: string,
    make: () => SharedResource,
  ): SharedResource => {
    const byConf = weakly(byDestination, at.destination, (): ByConf => new WeakMap())
    const byRaw = weakly(byConf, at.conf, (): ByRaw => new WeakMap())
    const { shared, owned } = weakly(byRaw, at.raw, () => ({ shared: new Map(), owned: new Map() }))
    const known = at.ownersDiffer ? owned.get(text)?.deref() : shared.get(text)
    if (known !== undefined) return known
    const made = make()
    if (at.ownersDiffer) {
      // one without a cell has nothing to live by, and is made again when it is asked for
      if (made.cell === undefined) return made
      ofCell.set(made.cell, made)
      owned.set(text, new WeakRef(made))
      forget.register(made, { owned, text })
      return made
    }
    const last = weakly(latest, at.destination, (): ByText => new Map())
    const resource = settled(last.get(text), made)
    last.set(text, resource)
    shared.set(text, resource)
    return resource
  }

  const built = (type: XdsType, name: string, build: () => Finished): SharedResource => {
    try {
      const { encoded, failures } = build()
      const problems = failures.map((failure) => ({ type, resource: name, ...failure }))
      if (encoded === undefined) return { cell: undefined, removed: true, problems }
      onEncode(type)
      return { cell: createCell(type, name, encoded), removed: false, problems }
    } catch (error) {
      return { cell: undefined, removed: false, problems: [{ type, resource: name, policy: undefined, message: messageOf(error) }] }
    }
  }

  return {
    cluster(key, conf, raw) {
      const { name, destination, clientTags } = key
      const at = { destination, conf: conf.forCluster, raw: raw ?? noRaw, ownersDiffer: clientTags !== undefined }
      return remembered(at, `c ${name} ${key.identitySecret ?? ''} ${clientTags ?? ''}`, () =>
        built('cluster', name, () => {
          const applied = applyOutboundCluster(
            conf.forCluster.byType,
            () => outboundCluster(key),
            (cluster: ClusterDraft) => ({ destination, cluster, clientTags }),
          )
          return finishCluster(applied, 'outbound', raw)
        }),
      )
    },
    listener(key, conf, raw) {
      const { name, destination } = key
      const text = `l ${name} ${key.address} ${key.port} ${key.bindToPort ? 1 : 0}${key.ipv6 ? 1 : 0} ${key.terminal}${key.additional.map((more) => ` ${more.address} ${more.port}`).join('')} ${key.shares?.text ?? ''}`
      const { forListener } = conf
      return remembered({ destination, conf: forListener, raw: raw ?? noRaw, ownersDiffer: key.shares !== undefined }, text, () =>
        built('listener', name, () => {
          const { routes, tcpSplits, byType } = forListener
          const applied = applyOutboundListener(
            { confs: byType, shares: key.shares?.byType ?? {} },
            () => outboundListener(key),
            (listener) => ({ name, destination, routes, tcpSplits, listener }),
          )
          return finishListener(applied, 'outbound', raw)
        }),
      )
    },
    ingressCluster(key, of, raw) {
      return remembered({ destination: of, conf: ingressConf, raw: raw ?? noRaw, ownersDiffer: false }, `i ${key.name}`, () =>
        built('cluster', key.name, () => finishCluster({ draft: ingressCluster(key), failures: [] }, 'ingress', raw)),
      )
    },
  }
}

/** The earlier resource when the new one says the same, so that equal content stays one cell. */
function settled(before: SharedResource | undefined, made: SharedResource): SharedResource {
  const [a, b] = [before?.cell?.current, made.cell?.current]
  if (before === undefined || a === undefined || b === undefined || before.problems.length + made.problems.length > 0) return made
  return a.version === b.version && JSON.stringify(a.needs) === JSON.stringify(b.needs) ? before : made
}

/** The value under a key, made when there is none; it lives as long as the key. */
function weakly<K extends object, V>(map: WeakMap<K, V>, key: K, make: () => V): V {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
