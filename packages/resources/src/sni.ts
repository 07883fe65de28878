// Server names by which zone ingresses and egresses route (contract/resources.md section 1.5, contract/dataplane.md section 11.3).
import { isRfc1123Label } from './names.ts'
import { kriOf } from './kri.ts'
import type { Labels } from './model.ts'

/** `sni.<short>.<mesh>[.<zone>[.<namespace>]].<name>.<section>`, or undefined when a part does not make a valid server name. */
export function sniOf(
  short: string,
  resource: { readonly mesh: string; readonly name: string; readonly labels: Labels },
  section: string,
): string | undefined {
  const kri = kriOf(short, resource, section)
  const parts = [kri.mesh]
  if (kri.zone !== '') {
    parts.push(kri.zone)
    if (kri.namespace !== '') parts.push(kri.namespace)
  }
  parts.push(kri.name, kri.section)
  if (!parts.every(isRfc1123Label)) return undefined
  const text = `sni.${short}.${parts.join('.')}`
  return text.length <= 253 ? text : undefined
}

/** Reserved server name: our zone ingresses answer it themselves (`ingressProbe.answer`), so that probing reaches Envoy and nothing behind it. */
export const ingressProbe = { serverName: 'probe.ingress.weft.io', answer: 'weft zone ingress\n' } as const
