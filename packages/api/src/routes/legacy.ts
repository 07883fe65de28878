// Empty pages for what clients of the older release still ask for (contract/rest-cli-gui.md section 14, item 4).
import { type ApiRoute, get } from '../api-route.ts'

const paths = [
  '/external-services',
  '/meshes/:mesh/external-services',
  '/meshgateways',
  '/meshes/:mesh/meshgateways',
  '/zoneingresses/_overview',
  '/zone-ingresses/_overview',
  '/zoneegresses/_overview',
  '/zone-egresses/_overview',
]

export function legacyRoutes(): readonly ApiRoute[] {
  return paths.map((path) => get(path, () => ({ json: { total: 0, items: [], next: null } })))
}
