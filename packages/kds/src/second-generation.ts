// What a zone of the 2.x line needs to be told differently, and what it says differently (contract/kds.md section 15). What it cannot honour is left
// out of what it gets and named in `fieldsLeftOut`.
import { codec } from '@weft/proto'
import type { ResourceDescriptor } from '@weft/resources'
import { isRecord, list, member, text } from './json.ts'

/** `Exclusive`: without it such a zone neither generates nor uses MeshServices. */
const exclusive = 3

/** The spec as such a zone understands it. */
export function specForSecondGeneration(kind: ResourceDescriptor, spec: unknown): unknown {
  if (!isRecord(spec)) return spec
  // it skips policies without a top-level targetRef
  if (kind.policy && spec['targetRef'] === undefined) return { targetRef: { kind: 'Mesh' }, ...spec }
  return kind.type === 'MeshExternalService' ? withOldSources(spec) : spec
}

/** The KumaResource as such a zone understands it. */
export function bytesForSecondGeneration(kind: ResourceDescriptor, spec: unknown, kumaResource: Uint8Array): Uint8Array {
  if (kind.type !== 'Mesh') return kumaResource
  const wire = codec('kuma.mesh.v1alpha1.KumaResource')
  const value = codec('kuma.legacy.v2.Mesh').encode({
    skipCreatingInitialPolicies: list(spec, 'skipCreatingInitialPolicies').filter((item): item is string => typeof item === 'string'),
    meshServices: { mode: exclusive },
  })
  const { meta, spec: packed } = wire.decode(kumaResource)
  return wire.encode({ ...(meta ? { meta } : {}), spec: { ...(packed?.typeUrl ? { typeUrl: packed.typeUrl } : {}), value } })
}

/** Fields of a resource that such a zone gets without, as paths; most have none. */
export function fieldsLeftOut(kind: ResourceDescriptor, spec: unknown): readonly string[] {
  if (kind.type !== 'MeshExternalService') return []
  const verification = member(member(spec, 'tls'), 'verification')
  return sources.flatMap((key) => {
    const source = member(verification, key)
    return source !== undefined && !oldSource(source) ? [`spec.tls.verification.${key}`] : []
  })
}

/** The spec of a Dataplane of such a zone: an inbound may name its protocol in a tag only. `wire` is the KumaResource it came in. */
export function specFromSecondGeneration(spec: unknown, wire: Uint8Array): unknown {
  const networking = member(spec, 'networking')
  const inbounds = list(networking, 'inbound')
  if (!isRecord(spec) || !isRecord(networking) || inbounds.length === 0) return spec
  const packed = codec('kuma.mesh.v1alpha1.KumaResource').decode(wire).spec?.value
  const tagged = packed ? (codec('kuma.legacy.v2.Dataplane').decode(packed).networking?.inbound ?? []) : []
  const inbound = inbounds.map((each, index) => {
    const protocol = tagged[index]?.tags?.[protocolTag]
    return isRecord(each) && each['protocol'] === undefined && protocol ? { ...each, protocol } : each
  })
  return { ...spec, networking: { ...networking, inbound } }
}

const protocolTag = 'kuma.io/protocol'
const sources = ['caCert', 'clientCert', 'clientKey']

function withOldSources(spec: Readonly<Record<string, unknown>>): unknown {
  const tls = member(spec, 'tls')
  const verification = member(tls, 'verification')
  if (!isRecord(tls) || !isRecord(verification)) return spec
  const translated = Object.entries(verification).flatMap(([key, value]): [string, unknown][] => {
    if (!sources.includes(key)) return [[key, value]]
    const source = oldSource(value)
    return source ? [[key, source]] : []
  })
  return { ...spec, tls: { ...tls, verification: Object.fromEntries(translated) } }
}

/** Files and environment variables of a zone cannot be named in the old form. */
function oldSource(source: unknown): Readonly<Record<string, string>> | undefined {
  switch (text(source, 'type')) {
    case 'Secret':
      return { secret: text(member(source, 'secretRef'), 'name') }
    case 'InsecureInline':
      return { inlineString: text(member(source, 'insecureInline'), 'value') }
    default:
      return undefined
  }
}
