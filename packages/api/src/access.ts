// Static rights (contract/rest-cli-gui.md section 7.2).
import type { AccessRight, AccessRules, ApiUser } from './api-deps.ts'
import { Problem } from './problem.ts'

const admin = { users: ['mesh-system:admin'], groups: ['mesh-system:admin'] }
const everyone = { users: [], groups: ['mesh-system:unauthenticated', 'mesh-system:authenticated'] }

/** The rights of a control plane whose operator set none. */
export const defaultAccessRules: AccessRules = {
  adminResources: admin,
  generateDataplaneToken: admin,
  generateUserToken: admin,
  generateZoneToken: admin,
  viewConfigDump: everyone,
  viewStats: everyone,
  viewClusters: everyone,
  controlPlaneMetadata: everyone,
}

export const anonymousUser: ApiUser = { name: 'mesh-system:anonymous', groups: ['mesh-system:unauthenticated'] }
export const adminUser: ApiUser = { name: 'mesh-system:admin', groups: ['mesh-system:admin', 'mesh-system:authenticated'] }

/** Whether the user has the right. */
export function hasRight(rules: AccessRules, right: AccessRight, user: ApiUser): boolean {
  const rule = rules[right]
  return rule.users.includes(user.name) || user.groups.some((group) => rule.groups.includes(group))
}

/** Ends the request with 403 unless the user has the right. `action` completes "cannot access". */
export function requireRight(rules: AccessRules, right: AccessRight, request: { readonly user: ApiUser; readonly action: string }): void {
  const { user, action } = request
  if (hasRight(rules, right, user)) return
  throw new Problem(403, 'Access Denied', { detail: `user "${user.name}/${user.groups.join(',')}" cannot access ${action}` })
}
