// Ports of destinations: their names as sections and their protocol rule.
import type { Violation } from '@weft/foundation/errors'
import type { ServicePort } from '../descriptor.ts'
import { destinationProtocols } from './shared-schemas.ts'

interface PortLike {
  readonly name?: string
  readonly port: number
  readonly appProtocol: string
}

/** Ports with their section names: the port's name, or its number in decimal. */
export function servicePorts(ports: readonly PortLike[] | undefined): readonly ServicePort[] {
  return (ports ?? []).map((item) => ({ name: item.name || String(item.port), port: item.port }))
}

/** `ports[i].appProtocol` must be one the proxies understand. */
export function portProtocolViolations(
  ports: readonly PortLike[] | undefined,
  { at, emptyAllowed }: { readonly at: string; readonly emptyAllowed: boolean },
): readonly Violation[] {
  const known: readonly string[] = destinationProtocols
  return (ports ?? []).flatMap(({ appProtocol }, index) =>
    known.includes(appProtocol) || (appProtocol === '' && emptyAllowed)
      ? []
      : [{ field: `${at}.ports[${index}].appProtocol`, message: `appProtocol must be one of: ${known.join(', ')}` }],
  )
}
