// The passthrough of a proxy. While no policy is about it, it has nothing of the proxy's own: it is encoded once for all that redirect alike.
import { passthroughName } from '@weft/envoy'
import type { ProxyFacts } from '@weft/facts'
import { plugins, type ProxyConf } from '@weft/policies'
import { applyPassthrough } from './apply-policies.ts'
import { type PassthroughInput, passthroughClusters, passthroughListeners } from './generators/transparent-proxy.ts'
import { buildPart, type PartBuild, type PartContent } from './own-part.ts'
import { ownerOf } from './owner.ts'

const editing = plugins.filter((plugin) => plugin.passthrough !== undefined)

/** By the text of the input; each lives as long as a proxy that has it. */
const shared = new Map<string, WeakRef<PartContent>>()
const forget = new FinalizationRegistry<string>((text) => {
  // a newer one may have taken the text meanwhile
  if (shared.get(text)?.deref() === undefined) shared.delete(text)
})

/** Clusters and listeners of the passthrough; the identical object for equal inputs that no policy has a say in. */
export function passthroughPart(facts: ProxyFacts, input: PassthroughInput, whole: ProxyConf): PartContent {
  const build = (): PartContent =>
    buildPart({ origin: 'transparent', raw: whole.raw }, (into) => buildPassthrough(into, { facts, input, whole }))
  if (whole.raw !== undefined || editing.some(({ type }) => whole.byType[type] !== undefined)) return build()
  const text = JSON.stringify(input)
  const known = shared.get(text)?.deref()
  if (known !== undefined) return known
  const made = build()
  shared.set(text, new WeakRef(made))
  forget.register(made, text)
  return made
}

interface PassthroughBuild {
  readonly facts: ProxyFacts
  readonly input: PassthroughInput
  readonly whole: ProxyConf
}

function buildPassthrough(into: PartBuild, { facts, input, whole }: PassthroughBuild): void {
  into.attempt('listener', passthroughName('outbound', 'ipv4'), () => {
    const { draft, failures } = applyPassthrough(
      whole.byType,
      () => ({ clusters: passthroughClusters(input), listeners: passthroughListeners(input) }),
      ({ clusters, listeners }) => ({
        owner: ownerOf(facts),
        clusters,
        outbound: (['ipv4', 'ipv6'] as const).flatMap((family) => {
          const listener = listeners.find((candidate) => candidate.name === passthroughName('outbound', family))
          return listener === undefined ? [] : [{ family, listener }]
        }),
        ipv6: facts.proxy.ipv6Enabled,
      }),
    )
    into.report(passthroughName('outbound', 'ipv4'), failures, [])
    for (const cluster of draft.clusters) into.addCluster(cluster)
    for (const listener of draft.listeners) into.addListener(listener)
  })
}
