// Whose budget a request is charged to.
import { clientOf } from '@weft/foundation/net'
import { anonymousUser } from './access.ts'
import type { ApiUser } from './api-deps.ts'

/** The user, or the address of one without a name. */
export function spenderOf({ user, address }: { readonly user: ApiUser; readonly address: string }): string {
  return user.name === anonymousUser.name ? `address ${clientOf(address)}` : `user ${user.name}`
}
