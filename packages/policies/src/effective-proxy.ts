// Effective conf of policies that have one conf for a whole proxy. Depends on the policy set only; equal content is the identical object.
import type { PolicySet } from '@weft/facts'
import { messageOf } from '@weft/foundation/errors'
import { canonicalJson } from '@weft/foundation/schema'
import { createInterner } from './interner.ts'
import type { ConfByType, Problem } from './plugin.ts'
import { plugins } from './plugins.ts'

/** Everything policies say about a proxy as a whole. */
export interface ProxyConf {
  readonly byType: ConfByType
  /** The part of `byType` whose policies edit finished resources; undefined when there is none. Its identity changes with nothing else. */
  readonly raw: ConfByType | undefined
  readonly problems: readonly Problem[]
}

const intern = createInterner<ProxyConf>()
const internRaw = createInterner<ConfByType>()
const memo = new WeakMap<PolicySet, ProxyConf>()

/** The conf of a proxy: memoised by policy set, interned by content. Never throws: a policy type that fails is reported in `problems`. */
export function effectiveProxy(set: PolicySet): ProxyConf {
  const known = memo.get(set)
  if (known !== undefined) return known
  const byType: Record<string, unknown> = Object.create(null)
  const raw: Record<string, unknown> = Object.create(null)
  const problems: Problem[] = []
  for (const plugin of plugins) {
    try {
      const conf = plugin.proxyConf?.({
        policies: set.byType.get(plugin.type) ?? [],
        report: (message) => problems.push({ type: plugin.type, message }),
      })
      if (conf === undefined) continue
      byType[plugin.type] = conf
      if (plugin.rawCluster !== undefined || plugin.rawListener !== undefined || plugin.added !== undefined) raw[plugin.type] = conf
    } catch (error) {
      problems.push({ type: plugin.type, message: messageOf(error) })
    }
  }
  const content: ProxyConf = {
    byType,
    raw: Object.keys(raw).length === 0 ? undefined : internRaw(canonicalJson(raw), raw),
    problems,
  }
  const conf = intern(canonicalJson([byType, problems]), content)
  memo.set(set, conf)
  return conf
}
