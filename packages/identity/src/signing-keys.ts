// RSA keys that sign and verify tokens, kept as Secrets. A key's serial is the end of its Secret's name and the `kid` of its tokens;
// the highest serial signs, every serial verifies (contract/dataplane.md section 5.1).
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { AppError } from '@weft/foundation/errors'
import type { Resource, ResourceKey } from '@weft/resources'

/** Whom a token stands for. */
export type TokenKind = 'dataplane' | 'zone' | 'user'

/** Where Secrets and GlobalSecrets are read. The store fits; reads are synchronous. */
export interface SecretReader {
  get(key: ResourceKey): Resource | undefined
  list(type: string, mesh?: string): readonly Resource[]
}

/** A public key that verifies tokens without a Secret; `mesh` only for dataplane tokens. */
export interface ConfiguredPublicKey {
  readonly kid: string
  readonly pem: string
  readonly mesh?: string
}

/** A new RSA 2048 key as PKCS#1 PEM. Generated off the main thread. */
export async function generateSigningKey(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  })
  return privateKey
}

/** PKCS#1 PEM (`RSA PUBLIC KEY`) of a signing key: what global gives the zones (contract/kds.md section 6). */
export function publicKeyOfSigningKey(privateKeyPem: string): string {
  return createPublicKey(privateKeyPem).export({ type: 'pkcs1', format: 'pem' })
}

/** The Secret that holds a signing key. `mesh` matters for dataplane tokens only. */
export function signingKeyRef(kind: TokenKind, options: { readonly mesh?: string; readonly serial: number }): ResourceKey {
  const prefix = signingKeyPrefix(kind, options.mesh ?? '')
  const name = options.serial === 0 ? prefix : `${prefix}-${options.serial}`
  return kind === 'dataplane' ? { type: 'Secret', mesh: options.mesh ?? '', name } : { type: 'GlobalSecret', mesh: '', name }
}

/** The GlobalSecret under which a zone knows the public half of a zone token key. */
export function publicKeyRef(serial: number): ResourceKey {
  return { type: 'GlobalSecret', mesh: '', name: `zone-token-signing-public-key-${serial}` }
}

/** The Secret spec of some text: `data` is its base64. */
export function secretSpec(text: string): { readonly data: string } {
  return { data: Buffer.from(text).toString('base64') }
}

/** The bytes of a Secret as text, undefined when it has none. */
export function secretText(secret: Resource | undefined): string | undefined {
  return secretBytes(secret)?.toString('utf8')
}

/** A key to verify with, and the private half where known. */
export interface TokenKey {
  /** The `kid` of the tokens it signs: the serial in decimal, or the id a configured public key was given. */
  readonly kid: string
  readonly publicKey: KeyObject
  readonly privateKey?: KeyObject
}

type KeyHalves = Omit<TokenKey, 'kid'>

/** Reads keys from Secrets; a parsed key is kept as long as its Secret's value lives. */
export interface KeyRing {
  /** Configured ones, then those of Secrets with the highest serial last. An unreadable Secret counts as absent. */
  keys(kind: TokenKind, mesh: string): readonly TokenKey[]
  /** The key that signs. Errors: token/keys-missing. */
  signer(kind: TokenKind, mesh: string): TokenKey & { readonly privateKey: KeyObject }
  verifier(kind: TokenKind, mesh: string, kid: string): TokenKey | undefined
  /** True when the token id is on a revocation list of the kind. */
  isRevoked(kind: TokenKind, mesh: string, tokenId: string): boolean
}

/** A key ring over Secrets and, optionally, configured public keys. */
export function createKeyRing(options: {
  readonly secrets: SecretReader
  readonly publicKeys?: Readonly<Partial<Record<TokenKind, readonly ConfiguredPublicKey[]>>>
  /** False ignores the signing-key Secrets: only configured public keys verify. Default true. */
  readonly useSecrets?: boolean
}): KeyRing {
  const parsed = new WeakMap<Resource, KeyHalves | null>()
  const configured = new Map<ConfiguredPublicKey, TokenKey | null>()

  const parse = (secret: Resource): KeyHalves | null => {
    const known = parsed.get(secret)
    if (known !== undefined) return known
    const bytes = secretBytes(secret)
    const key = bytes ? readKey(bytes) : null
    parsed.set(secret, key)
    return key
  }
  const fromSecrets = (kind: TokenKind, mesh: string): TokenKey[] => {
    if (options.useSecrets === false) return []
    const found: (TokenKey & { readonly serial: number })[] = []
    const prefixes = [signingKeyPrefix(kind, mesh), ...(kind === 'zone' ? ['zone-token-signing-public-key'] : [])]
    for (const secret of options.secrets.list(kind === 'dataplane' ? 'Secret' : 'GlobalSecret', kind === 'dataplane' ? mesh : '')) {
      for (const prefix of prefixes) {
        const serial = serialOf(secret.name, prefix)
        const key = serial === undefined ? null : parse(secret)
        if (serial !== undefined && key) found.push({ serial, kid: String(serial), ...key })
      }
    }
    // a private key before the public half of the same serial
    return found.sort((a, b) => a.serial - b.serial || Number(b.privateKey !== undefined) - Number(a.privateKey !== undefined))
  }
  const fromConfig = (kind: TokenKind, mesh: string): TokenKey[] =>
    (options.publicKeys?.[kind] ?? []).flatMap((entry) => {
      if (kind === 'dataplane' && entry.mesh !== mesh) return []
      let key = configured.get(entry)
      if (key === undefined) {
        const read = readKey(Buffer.from(entry.pem))
        key = read ? { kid: entry.kid, publicKey: read.publicKey } : null
        configured.set(entry, key)
      }
      return key ? [key] : []
    })

  const ring: KeyRing = {
    keys: (kind, mesh) => [...fromConfig(kind, mesh), ...fromSecrets(kind, mesh)],
    signer: (kind, mesh) => {
      const key = fromSecrets(kind, mesh).findLast((each) => each.privateKey !== undefined)
      if (!key?.privateKey) {
        const { name } = signingKeyRef(kind, { mesh, serial: 1 })
        throw new AppError('token/keys-missing', `no signing key for ${kind} tokens: secret ${name} does not exist`, { retryable: true })
      }
      return { ...key, privateKey: key.privateKey }
    },
    verifier: (kind, mesh, kid) => {
      const matches = (key: TokenKey): boolean => key.kid === kid
      return fromConfig(kind, mesh).find(matches) ?? fromSecrets(kind, mesh).find(matches)
    },
    isRevoked: (kind, mesh, tokenId) => {
      const name = kind === 'dataplane' ? `dataplane-token-revocations-${mesh}` : `${kind}-token-revocations`
      const lists = [options.secrets.get({ type: 'GlobalSecret', mesh: '', name })]
      // documentation and implementation of the reference differ in where the list of a mesh lives; both count
      if (kind === 'dataplane') lists.push(options.secrets.get({ type: 'Secret', mesh, name }))
      return lists.some((secret) =>
        (secretText(secret) ?? '')
          .split(',')
          .map((entry) => entry.trim())
          .includes(tokenId),
      )
    },
  }
  return ring
}

function signingKeyPrefix(kind: TokenKind, mesh: string): string {
  return kind === 'dataplane' ? `dataplane-token-signing-key-${mesh}` : `${kind}-token-signing-key`
}

function serialOf(name: string, prefix: string): number | undefined {
  if (name === prefix) return 0
  if (!name.startsWith(`${prefix}-`)) return undefined
  const text = name.slice(prefix.length + 1)
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

function secretBytes(secret: Resource | undefined): Buffer | undefined {
  const spec = secret?.spec
  if (typeof spec !== 'object' || spec === null || !('data' in spec) || typeof spec.data !== 'string') return undefined
  return Buffer.from(spec.data, 'base64')
}

/** PEM of a private or public RSA key, or PKCS#1 DER of a private one. */
function readKey(bytes: Buffer): KeyHalves | null {
  const attempts: (() => KeyHalves)[] = bytes.includes('-----BEGIN')
    ? [
        () => {
          const privateKey = createPrivateKey(bytes)
          return { privateKey, publicKey: createPublicKey(privateKey) }
        },
        () => ({ publicKey: createPublicKey(bytes) }),
      ]
    : [
        () => {
          const privateKey = createPrivateKey({ key: bytes, format: 'der', type: 'pkcs1' })
          return { privateKey, publicKey: createPublicKey(privateKey) }
        },
        () => ({ publicKey: createPublicKey({ key: bytes, format: 'der', type: 'pkcs1' }) }),
      ]
  for (const attempt of attempts) {
    try {
      const key = attempt()
      if (key.publicKey.asymmetricKeyType === 'rsa') return key
    } catch {
      // the next reading may fit
    }
  }
  return null
}
