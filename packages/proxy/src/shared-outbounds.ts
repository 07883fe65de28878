// Clusters and listeners of outbounds, made and encoded once for all proxies whose keys are equal. Entries hang on the identity of the
// destination fact and of the effective conf, and die with them; the rest of the key is a text.
import type { ClusterDraft } from '@weft/envoy'
import type { DestinationFact } from '@weft/facts'
import { messageOf } from '@weft/foundation/errors'
import type { OutboundConf } from '@weft/policies'
import { createCell, type EncodedResource, type ResourceCell, type XdsType } from '@weft/xds'
import { applyOutboundCluster, applyOutboundListener, type PolicyFailure } from './apply-policies.ts'
import { encodedCluster, encodedListener } from './encoded.ts'
import { type OutboundClusterKey, type OutboundListenerKey, outboundCluster, outboundListener } from './generators/outbound.ts'
import { type IngressClusterKey, ingressCluster } from './generators/zone-ingress.ts'
import type { ResourceProblem } from './problem.ts'

/** A shared resource; without a cell when it could not be built. */
export interface SharedResource {
  readonly cell: ResourceCell | undefined
  readonly problems: readonly ResourceProblem[]
}

/** Shared resources by key. */
export interface SharedOutbounds {
  cluster(key: OutboundClusterKey, conf: OutboundConf): SharedResource
  /** Undefined when the conf says that there is no listener. */
  listener(key: OutboundListenerKey, conf: OutboundConf): SharedResource
  ingressCluster(key: IngressClusterKey, of: DestinationFact): SharedResource
}

/** `onEncode` is called for every encoding: with sharing, once per distinct key. */
export function createSharedOutbounds(onEncode: (type: XdsType) => void): SharedOutbounds {
  const byDestination = new WeakMap<DestinationFact, WeakMap<object, Map<string, SharedResource>>>()
  const ingressConf = {}

  const remembered = (destination: DestinationFact, conf: object, text: string, make: () => SharedResource): SharedResource => {
    let byConf = byDestination.get(destination)
    if (byConf === undefined) {
      byConf = new WeakMap()
      byDestination.set(destination, byConf)
    }
    let byText = byConf.get(conf)
    if (byText === undefined) {
      byText = new Map()
      byConf.set(conf, byText)
    }
    let resource = byText.get(text)
    if (resource === undefined) {
      resource = make()
      byText.set(text, resource)
    }
    return resource
  }

  const built = (
    type: XdsType,
    name: string,
    build: () => { encoded: EncodedResource; failures: readonly PolicyFailure[] },
  ): SharedResource => {
    try {
      const { encoded, failures } = build()
      onEncode(type)
      return { cell: createCell(type, name, encoded), problems: failures.map((failure) => ({ type, resource: name, ...failure })) }
    } catch (error) {
      return { cell: undefined, problems: [{ type, resource: name, policy: undefined, message: messageOf(error) }] }
    }
  }

  return {
    cluster(key, conf) {
      const { name, destination } = key
      return remembered(destination, conf, `c ${name} ${key.identitySecret ?? ''}`, () =>
        built('cluster', name, () => {
          const applied = applyOutboundCluster(
            conf.byType,
            () => outboundCluster(key),
            (cluster: ClusterDraft) => ({ destination, cluster }),
          )
          return { encoded: encodedCluster(applied.draft), failures: applied.failures }
        }),
      )
    },
    listener(key, conf) {
      const { name, destination } = key
      const text = `l ${name} ${key.address} ${key.port} ${key.bindToPort ? 1 : 0}${key.ipv6 ? 1 : 0} ${key.terminal}${key.additional.map((more) => ` ${more.address} ${more.port}`).join('')}`
      return remembered(destination, conf, text, () =>
        built('listener', name, () => {
          const { routes, tcpSplits } = conf
          const applied = applyOutboundListener(
            conf.byType,
            () => outboundListener(key),
            (listener) => ({ name, destination, routes, tcpSplits, listener }),
          )
          return { encoded: encodedListener(applied.draft), failures: applied.failures }
        }),
      )
    },
    ingressCluster(key, of) {
      return remembered(of, ingressConf, `i ${key.name}`, () =>
        built('cluster', key.name, () => ({ encoded: encodedCluster(ingressCluster(key)), failures: [] })),
      )
    },
  }
}
