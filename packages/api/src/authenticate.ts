// Who asks: the operator on this machine, the holder of a user token, or nobody (contract/rest-cli-gui.md section 7.1).
import type { IncomingMessage } from 'node:http'
import { type Attempts, uncountedAttempts } from '@weft/foundation/budget'
import { hasCode } from '@weft/foundation/errors'
import { isLoopback } from '@weft/foundation/net'
import { adminUser, anonymousUser } from './access.ts'
import type { ApiUser } from './api-deps.ts'
import { Problem } from './problem.ts'

export interface AuthenticateOptions {
  readonly localhostIsAdmin: boolean
  /** Looks at no more tokens of an address that showed too many bad ones. Default: always looks. */
  readonly attempts?: Attempts
  verifyUserToken?(token: string): Promise<ApiUser>
}

/** The user of a request. A bearer token must be valid even where nobody asks for rights; it wins over the machine it comes from. */
export async function authenticate(request: IncomingMessage, options: AuthenticateOptions): Promise<ApiUser> {
  const authorization = request.headers.authorization
  if (authorization !== undefined) {
    const token = /^Bearer\s+(\S+)\s*$/i.exec(authorization)?.[1]
    // other schemes belong to proxies in between; the reference looks at bearer tokens only
    if (token !== undefined) return withGroup(await verify(token, { ...options, address: request.socket.remoteAddress ?? '' }))
  }
  return options.localhostIsAdmin && isLocalOperator(request) ? adminUser : anonymousUser
}

async function verify(token: string, options: AuthenticateOptions & { readonly address: string }): Promise<ApiUser> {
  const refused = new Problem(401, 'Invalid authentication data', { detail: 'Unauthenticated' })
  const { verifyUserToken, attempts = uncountedAttempts, address } = options
  if (!verifyUserToken) throw refused
  try {
    return await attempts.check({ address, credentials: [token] }, () => verifyUserToken(token))
  } catch (error) {
    throw hasCode(error, 'budget/exhausted') ? error : refused
  }
}

function withGroup(user: ApiUser): ApiUser {
  return { name: user.name, groups: [...user.groups.filter((group) => group !== 'mesh-system:authenticated'), 'mesh-system:authenticated'] }
}

/**
 * True for a request that a person on this machine made, not a page in their browser and not a proxy: loopback peer, no forwarding
 * headers, a loopback Host, and nothing that says another site started it.
 */
export function isLocalOperator(request: IncomingMessage): boolean {
  if (!isLoopback(request.socket.remoteAddress ?? '')) return false
  for (const name of ['forwarded', 'x-forwarded-for', 'x-real-ip']) if (request.headers[name] !== undefined) return false
  const host = request.headers.host
  if (host === undefined || !isLoopbackHost(host)) return false
  const site = request.headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return false
  const origin = request.headers.origin
  return origin === undefined || isSameOrigin(origin, host)
}

function isSameOrigin(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase()
}

function isLoopbackHost(host: string): boolean {
  if (!URL.canParse(`http://${host}`)) return false
  const { hostname } = new URL(`http://${host}`)
  return hostname === 'localhost' || isLoopback(hostname.replace(/^\[(.*)\]$/, '$1'))
}
