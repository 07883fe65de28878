// How MeshTCPRoutes read for inspection: one rule without matches.
import { field, listField } from '@weft/foundation/json'
import type { OutboundShape } from '../outbound-shape.ts'

export const tcpRouteShape: OutboundShape = {
  confOf: (item) => ({ default: field(listField(item, 'rules')[0], 'default') ?? {} }),
  routesOf: ({ conf }) => [{ policy: undefined, matches: null, conf: field(conf, 'default') }],
}
