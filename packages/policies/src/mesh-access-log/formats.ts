// Formats of log lines: the defaults, and the mesh's own placeholders, which Envoy does not know (contract/policies.md section 3.1).
import { isIP } from 'node:net'

/** What the placeholders stand for. */
export interface LogValues {
  readonly mesh: string
  readonly zone: string
  readonly workloadKri: string
  readonly sourceService: string
  readonly sourceAddress: string
  readonly destinationService: string
  readonly direction: 'INBOUND' | 'OUTBOUND' | 'UNSPECIFIED'
}

/** The line of a connection. */
export const tcpFormat =
  '[%START_TIME%] %RESPONSE_FLAGS% %KUMA_MESH% %KUMA_SOURCE_ADDRESS_WITHOUT_PORT%(%KUMA_SOURCE_SERVICE%)->%UPSTREAM_HOST%(%KUMA_DESTINATION_SERVICE%) took %DURATION%ms, sent %BYTES_SENT% bytes, received: %BYTES_RECEIVED% bytes'
/** The line of a request. */
export const httpFormat =
  '[%START_TIME%] %KUMA_MESH% "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-B3-TRACEID?X-DATADOG-TRACEID)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%KUMA_SOURCE_SERVICE%" "%KUMA_DESTINATION_SERVICE%" "%KUMA_SOURCE_ADDRESS_WITHOUT_PORT%" "%UPSTREAM_HOST%"'

const placeholders: Readonly<Record<string, (values: LogValues) => string>> = {
  MESH: ({ mesh }) => mesh,
  ZONE: ({ zone }) => zone,
  WORKLOAD: ({ workloadKri }) => workloadKri,
  SOURCE_SERVICE: ({ sourceService }) => sourceService,
  DESTINATION_SERVICE: ({ destinationService }) => destinationService,
  SOURCE_ADDRESS_WITHOUT_PORT: ({ sourceAddress }) => sourceAddress,
  SOURCE_ADDRESS: ({ sourceAddress }) => (isIP(sourceAddress) === 6 ? `[${sourceAddress}]:0` : `${sourceAddress}:0`),
  TRAFFIC_DIRECTION: ({ direction }) => direction,
}

/** The text with the mesh's placeholders filled in; Envoy's and unknown ones stay. */
export function interpolate(text: string, values: LogValues): string {
  return text.replaceAll(/%KUMA_([A-Z_]+)%/g, (whole, name: string) =>
    Object.hasOwn(placeholders, name) ? (placeholders[name]?.(values) ?? whole) : whole,
  )
}

/** The same for every text of a JSON value, keys of objects that hold pairs included. */
export function interpolateJson(value: unknown, values: LogValues): unknown {
  if (typeof value === 'string') return interpolate(value, values)
  if (Array.isArray(value)) return value.map((item) => interpolateJson(item, values))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, interpolateJson(item, values)]))
}
