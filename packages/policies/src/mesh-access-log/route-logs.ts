// Logs of single routes. Envoy's loggers see no route metadata, so a filter copies the mark of the chosen route to where they look.
import { type HttpDraft, type HttpFilterDraft, stringStruct, typed } from '@weft/envoy'
import { formatKri, parseKri } from '@weft/resources'
import type { AccessLogFilter } from './loggers.ts'
import type { AccessLogBackend } from './resource.ts'

const namespace = 'kuma.routes'
const key = 'route_kri'
const filterName = 'envoy.filters.http.lua'

/** Copies the mark of the route to the request's metadata. */
export const routeFilter: HttpFilterDraft = {
  slot: 'lua',
  name: filterName,
  config: typed('envoy.extensions.filters.http.lua.v3.Lua', {
    defaultSourceCode: {
      inlineString: `function envoy_on_request(handle)
  local meta = handle:metadata():get("${key}")
  if meta ~= nil then
    handle:streamInfo():dynamicMetadata():set("${namespace}", "${key}", meta)
  end
end
`,
    },
  }),
}

const path = [{ key }]

/** Passes requests of routes without a log of their own. */
export const notOfRoute: AccessLogFilter = {
  metadataFilter: { matcher: { filter: namespace, path, value: { nullMatch: {} } }, matchIfKeyNotFound: { value: true } },
}

/** Passes requests of this route. */
export function ofRoute(kri: string): AccessLogFilter {
  return {
    metadataFilter: {
      matcher: { filter: namespace, path, value: { stringMatch: { exact: kri } } },
      matchIfKeyNotFound: { value: false },
    },
  }
}

/** Marks the routes that have logs of their own, by route name; those of each mark, sorted by mark. */
export function markRoutes(
  { virtualHosts }: HttpDraft,
  logs: Readonly<Record<string, readonly AccessLogBackend[]>>,
): ReadonlyMap<string, readonly AccessLogBackend[]> {
  const marked = new Map<string, readonly AccessLogBackend[]>()
  for (const route of virtualHosts.flatMap((host) => host.routes)) {
    const { name } = route
    const backends = name && Object.hasOwn(logs, name) ? logs[name] : undefined
    const kri = name ? parseKri(name) : undefined
    if (backends === undefined || kri === undefined) continue
    // as the peers write it: the section has lost its underscore
    const mark = formatKri(kri)
    marked.set(mark, backends)
    const metadata = route.metadata?.filterMetadata ?? {}
    route.metadata = { ...route.metadata, filterMetadata: { ...metadata, [filterName]: stringStruct({ [key]: mark }) } }
  }
  return new Map([...marked].sort(([a], [b]) => (a < b ? -1 : 1)))
}
