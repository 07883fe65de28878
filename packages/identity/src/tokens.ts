// Dataplane, zone and user tokens: RS256 JWTs with the capitalised claims the wire has (contract/dataplane.md section 5.1,
// contract/rest-cli-gui.md section 7.3). Verification never says yes on anything but a good signature of a key of the right kind and mesh.
import { randomUUID } from 'node:crypto'
import { SignJWT, decodeProtectedHeader, jwtVerify, decodeJwt, type JWTPayload } from 'jose'
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Clock } from '@weft/foundation/time'
import { toleratedSkewMs } from './clock-skew.ts'
import type { KeyRing, TokenKind } from './signing-keys.ts'

const tenYearsMs = 10 * 365 * 24 * 3_600_000
/** Of the time of issue, as Kuma does (contract/dataplane.md section 5.1). */
const backdateSeconds = 5

export interface DataplaneTokenClaims {
  /** '' when the token is not bound to a name. */
  readonly name: string
  readonly mesh: string
  /** Every entry must be met by a label of the Dataplane. */
  readonly tags: ReadonlyMap<string, readonly string[]>
  readonly type: string
  /** '' when the token is not bound to a workload. */
  readonly workload: string
}

export interface ZoneTokenClaims {
  readonly zone: string
  readonly scope: readonly string[]
}

export interface UserTokenClaims {
  readonly name: string
  readonly groups: readonly string[]
}

/** What every verified token tells about itself. */
export interface TokenFacts {
  readonly id: string
  /** Id of the key that signed it. */
  readonly kid: string
  /** Milliseconds since the epoch. */
  readonly expiresAt: number | undefined
}

export interface TokenIssuer {
  /** Each resolves with the compact JWT. Errors: token/keys-missing. `validForMs` absent means ten years. */
  dataplane(claims: {
    readonly mesh: string
    readonly name?: string
    readonly tags?: Readonly<Record<string, readonly string[]>>
    readonly type?: string
    readonly workload?: string
    readonly validForMs?: number
  }): Promise<string>
  zone(claims: { readonly zone: string; readonly scope?: readonly string[]; readonly validForMs?: number }): Promise<string>
  user(claims: { readonly name: string; readonly groups?: readonly string[]; readonly validForMs?: number }): Promise<string>
}

export interface TokenVerifier {
  /**
   * Errors: token/invalid (malformed, wrong algorithm, expired, revoked, foreign mesh, bad signature, unknown key of a mesh whose keys are
   * here: `details.reason` is then `unknown-key`); token/keys-missing (retryable) when the keys that could verify it are not here yet.
   */
  dataplane(token: string, mesh: string): Promise<DataplaneTokenClaims & TokenFacts>
  zone(token: string): Promise<ZoneTokenClaims & TokenFacts>
  user(token: string): Promise<UserTokenClaims & TokenFacts>
}

export function createTokenIssuer(options: { readonly keys: KeyRing; readonly clock: Clock }): TokenIssuer {
  const issue = async (kind: TokenKind, mesh: string, claims: Record<string, unknown>, validForMs: number | undefined): Promise<string> => {
    const key = options.keys.signer(kind, mesh)
    const now = Math.floor(options.clock.now() / 1000)
    const jwt = new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: key.kid, typ: 'JWT' })
      .setJti(randomUUID())
      .setIssuedAt(now - backdateSeconds)
      .setNotBefore(now - toleratedSkewMs / 1000)
      .setExpirationTime(now + Math.floor((validForMs || tenYearsMs) / 1000))
    return jwt.sign(key.privateKey)
  }
  return {
    dataplane: ({ mesh, name = '', tags = {}, type = '', workload = '', validForMs }) =>
      issue('dataplane', mesh, { Name: name, Mesh: mesh, Tags: tags, Type: type, Workload: workload }, validForMs),
    zone: ({ zone, scope = [], validForMs }) => issue('zone', '', { Zone: zone, Scope: scope }, validForMs),
    user: ({ name, groups = [], validForMs }) => issue('user', '', { Name: name, Groups: groups }, validForMs),
  }
}

export function createTokenVerifier(options: {
  readonly keys: KeyRing
  readonly clock: Clock
  /** False while Secrets may still be on their way (first sync not complete): an unknown key then means keys-missing. Default: always complete. */
  readonly keysComplete?: (mesh: string) => boolean
}): TokenVerifier {
  const verify = async (
    kind: TokenKind,
    mesh: string,
    token: string,
  ): Promise<{ readonly payload: JWTPayload; readonly facts: TokenFacts }> => {
    const kid = keyIdOf(token)
    const key = options.keys.verifier(kind, mesh, kid)
    if (!key) {
      const isComplete = options.keysComplete?.(mesh) ?? true
      if (!isComplete || options.keys.keys(kind, mesh).length === 0) {
        throw new AppError('token/keys-missing', `the key "${kid}" that signed the token is not known here yet`, { retryable: true })
      }
      throw new AppError('token/invalid', `token is not valid: it is signed by the unknown key "${kid}"`, {
        details: { reason: 'unknown-key' },
      })
    }
    let payload: JWTPayload
    try {
      ;({ payload } = await jwtVerify(token, key.publicKey, { algorithms: ['RS256'], currentDate: new Date(options.clock.now()) }))
    } catch (error) {
      throw invalid(messageOf(error), error)
    }
    const id = text(payload.jti)
    if (id !== '' && options.keys.isRevoked(kind, mesh, id)) throw invalid('it is revoked')
    return { payload, facts: { id, kid, expiresAt: payload.exp === undefined ? undefined : payload.exp * 1000 } }
  }
  return {
    dataplane: async (token, mesh) => {
      keyIdOf(token) // malformed before foreign
      const claimed = text(unverifiedClaim(token, 'Mesh'))
      if (claimed !== mesh) throw invalid(`it is for mesh "${claimed}", not "${mesh}"`)
      const { payload, facts } = await verify('dataplane', mesh, token)
      return {
        name: text(payload['Name']),
        mesh,
        tags: tagsOf(payload['Tags']),
        type: text(payload['Type']),
        workload: text(payload['Workload']),
        ...facts,
      }
    },
    zone: async (token) => {
      const { payload, facts } = await verify('zone', '', token)
      const zone = text(payload['Zone'])
      if (zone === '') throw invalid('it names no zone')
      return { zone, scope: texts(payload['Scope']), ...facts }
    },
    user: async (token) => {
      const { payload, facts } = await verify('user', '', token)
      const name = text(payload['Name'])
      if (name === '') throw invalid('it names no user')
      return { name, groups: texts(payload['Groups']), ...facts }
    },
  }
}

function invalid(why: string, cause?: unknown): AppError {
  return new AppError('token/invalid', `token is not valid: ${why.slice(0, 300)}`, cause === undefined ? {} : { cause })
}

/** The key id of a well-formed RS256 token. */
function keyIdOf(token: string): string {
  let header: ReturnType<typeof decodeProtectedHeader>
  try {
    header = decodeProtectedHeader(token)
  } catch (error) {
    throw invalid('it is not a JWT', error)
  }
  if (header.alg !== 'RS256') throw invalid('its algorithm is not RS256')
  const kid: unknown = header.kid
  if (typeof kid !== 'string' || kid === '' || kid.length > 64) throw invalid('its header holds no key id (kid) of type string')
  return kid
}

function unverifiedClaim(token: string, name: string): unknown {
  try {
    const claims = decodeJwt(token)
    return Object.hasOwn(claims, name) ? claims[name] : undefined
  } catch (error) {
    throw invalid('its claims cannot be read', error)
  }
}

function text(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (typeof value !== 'string') throw invalid('a claim has the wrong type')
  return value
}

function texts(value: unknown): readonly string[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid('a claim has the wrong type')
  return value.map(text)
}

function tagsOf(value: unknown): ReadonlyMap<string, readonly string[]> {
  if (value === undefined || value === null) return new Map()
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid('a claim has the wrong type')
  return new Map(Object.entries(value).map(([key, list]) => [key, texts(list)]))
}
