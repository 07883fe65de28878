// Effective conf of an inbound and of a zone listener. Depends on the policy set and a section only; equal content is the identical object.
import type { InboundFact, PolicySet, Protocol, ZoneListenerFact } from '@weft/facts'
import { messageOf } from '@weft/foundation/errors'
import { canonicalJson } from '@weft/foundation/schema'
import { inboundRules } from '@weft/policy'
import { createInterner } from './interner.ts'
import { tlsModeOf } from './mesh-tls/conf.ts'
import type { ConfByType, InboundScope, PolicyPlugin, Problem } from './plugin.ts'
import { plugins } from './plugins.ts'

/** Everything policies say about one inbound. */
export interface InboundConf {
  readonly byType: ConfByType
  /** How strictly a proxy with an identity demands mutual TLS. */
  readonly tlsMode: 'Strict' | 'Permissive'
  readonly problems: readonly Problem[]
}

/** Everything policies say about one listener of a zone proxy. */
export interface ZoneListenerConf {
  readonly byType: ConfByType
  readonly problems: readonly Problem[]
}

const internInbound = createInterner<InboundConf>()
const internZone = createInterner<ZoneListenerConf>()
const inboundMemo = new WeakMap<PolicySet, Map<string, InboundConf>>()
const zoneMemo = new WeakMap<PolicySet, Map<string, ZoneListenerConf>>()

/** The conf of an inbound: memoised by policy set, section and protocol, interned by content. Never throws: a policy type that fails is reported in `problems`. */
export function effectiveInbound(policies: PolicySet, inbound: InboundFact): InboundConf {
  return memoised(inboundMemo, policies, `${inbound.protocol} ${inbound.section}`, () => {
    const { byType, problems } = confByType(policies, inbound.section, inbound.protocol, (plugin, scope) => plugin.inboundConf?.(scope))
    const conf = { byType, tlsMode: tlsModeOf(byType['MeshTLS']), problems }
    return internInbound(canonicalJson(conf), conf)
  })
}

/** The conf of a zone listener: memoised by policy set and section, interned by content. Never throws. */
export function effectiveZoneListener(policies: PolicySet, listener: ZoneListenerFact): ZoneListenerConf {
  return memoised(zoneMemo, policies, listener.section, () => {
    const conf = confByType(policies, listener.section, undefined, (plugin, scope) => plugin.zoneConf?.(scope))
    return internZone(canonicalJson(conf), conf)
  })
}

function confByType(
  set: PolicySet,
  section: string,
  protocol: Protocol | undefined,
  confOf: (plugin: PolicyPlugin, scope: InboundScope) => unknown,
): ZoneListenerConf {
  const byType: Record<string, unknown> = Object.create(null)
  const problems: Problem[] = []
  for (const plugin of plugins) {
    const policies = set.byType.get(plugin.type) ?? []
    try {
      const conf = confOf(plugin, { policies, rules: inboundRules(policies, section), protocol })
      if (conf !== undefined) byType[plugin.type] = conf
    } catch (error) {
      problems.push({ type: plugin.type, message: messageOf(error) })
    }
  }
  return { byType, problems }
}

/** Proxies with equal policies and equally named inbounds share one computation. */
function memoised<C>(memo: WeakMap<PolicySet, Map<string, C>>, policies: PolicySet, key: string, compute: () => C): C {
  let known = memo.get(policies)
  if (known === undefined) {
    known = new Map()
    memo.set(policies, known)
  }
  let conf = known.get(key)
  if (conf === undefined) {
    conf = compute()
    known.set(key, conf)
  }
  return conf
}
