// Faults of a MeshFaultInjection, read totally: a part that is malformed, or that proxies would refuse, is left out.
import { field, listField, textField } from '@weft/foundation/json'
import { decimalField, durationField, uintField } from '../conf-values.ts'

/** One fault: what happens to which share of requests. */
export interface Fault {
  readonly abort?: { readonly status: number; readonly percent: number }
  readonly delay?: { readonly delayMs: number; readonly percent: number }
  readonly bandwidth?: { readonly kbps: number; readonly percent: number }
}

/** Statuses that proxies can answer with: final ones. */
export const abortStatuses = { lowest: 200, highest: 599 } as const

const bandwidthPattern = /^(\d*)\s?([GMk]+)bps$/
const kbpsOf = { k: 1, M: 1_000, G: 1_000_000 } as const

/** Kilobits per second of a text such as `50 Mbps`; undefined when there is no such number, and for 0. */
export function bandwidthKbps(text: string): number | undefined {
  const [, digits = '', unit = ''] = bandwidthPattern.exec(text) ?? []
  const factor = unit === 'k' || unit === 'M' || unit === 'G' ? kbpsOf[unit] : undefined
  const kbps = factor === undefined ? Number.NaN : Number(digits) * factor
  return Number.isSafeInteger(kbps) && kbps > 0 ? kbps : undefined
}

/** The faults of a conf, without those that do nothing. */
export function faultsOf(conf: unknown): readonly Fault[] {
  return listField(conf, 'http').flatMap((item) => {
    const abort = abortOf(field(item, 'abort'))
    const delay = delayOf(field(item, 'delay'))
    const bandwidth = bandwidthOf(field(item, 'responseBandwidth'))
    if (abort === undefined && delay === undefined && bandwidth === undefined) return []
    return [
      {
        ...(abort === undefined ? {} : { abort }),
        ...(delay === undefined ? {} : { delay }),
        ...(bandwidth === undefined ? {} : { bandwidth }),
      },
    ]
  })
}

function abortOf(value: unknown): Fault['abort'] {
  const status = uintField(value, 'httpStatus')
  const percent = decimalField(value, 'percentage')
  if (status === undefined || status < abortStatuses.lowest || status > abortStatuses.highest || percent === undefined) return undefined
  return { status, percent }
}

/** Envoy refuses a delay of 0. */
function delayOf(value: unknown): Fault['delay'] {
  const delayMs = durationField(value, 'value')
  const percent = decimalField(value, 'percentage')
  return delayMs === undefined || delayMs === 0 || percent === undefined ? undefined : { delayMs, percent }
}

function bandwidthOf(value: unknown): Fault['bandwidth'] {
  const kbps = bandwidthKbps(textField(value, 'limit'))
  const percent = decimalField(value, 'percentage')
  return kbps === undefined || percent === undefined ? undefined : { kbps, percent }
}
