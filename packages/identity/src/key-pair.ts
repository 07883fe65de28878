// Asymmetric keys for certificates. Private keys live in memory as CryptoKey; text forms are made only where a file, a Secret or Envoy needs one.
import { createPrivateKey, createPublicKey, webcrypto, type KeyObject } from 'node:crypto'
import { AppError, messageOf } from '@weft/foundation/errors'

/** The key types certificates may have. A leaf has the type of its CA. */
export type KeyType = 'ec-p256' | 'ec-p384' | 'ec-p521' | 'rsa-2048' | 'ed25519'

/** WebCrypto parameters to sign with. */
export interface SigningAlgorithm {
  readonly name: string
  readonly hash?: string
}

/** A key pair that can sign certificates or prove the possession of one. */
export interface KeyPair {
  readonly type: KeyType
  readonly publicKey: webcrypto.CryptoKey
  readonly privateKey: webcrypto.CryptoKey
}

interface KeySpec {
  readonly generate: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams | webcrypto.Algorithm
  readonly sign: SigningAlgorithm
}

const rsaExponent = new Uint8Array([1, 0, 1])
const specs: Readonly<Record<KeyType, KeySpec>> = {
  'ec-p256': { generate: { name: 'ECDSA', namedCurve: 'P-256' }, sign: { name: 'ECDSA', hash: 'SHA-256' } },
  'ec-p384': { generate: { name: 'ECDSA', namedCurve: 'P-384' }, sign: { name: 'ECDSA', hash: 'SHA-384' } },
  'ec-p521': { generate: { name: 'ECDSA', namedCurve: 'P-521' }, sign: { name: 'ECDSA', hash: 'SHA-512' } },
  'rsa-2048': {
    generate: { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: rsaExponent, hash: 'SHA-256' },
    sign: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  },
  ed25519: { generate: { name: 'Ed25519' }, sign: { name: 'Ed25519' } },
}
const curves: Readonly<Record<string, KeyType>> = { prime256v1: 'ec-p256', secp384r1: 'ec-p384', secp521r1: 'ec-p521' }

/** A fresh key pair; generated off the main thread. */
export async function generateKeyPair(type: KeyType): Promise<KeyPair> {
  const pair = await webcrypto.subtle.generateKey(specs[type].generate, true, ['sign', 'verify'])
  // generateKey gives a single key only for symmetric algorithms, none of which is in the table
  const { publicKey, privateKey } = pair as webcrypto.CryptoKeyPair
  return { type, publicKey, privateKey }
}

/** How a key of this type signs certificates. */
export function signingAlgorithm(type: KeyType): SigningAlgorithm {
  return specs[type].sign
}

/**
 * Reads a private key in PEM (PKCS#8, PKCS#1 or SEC1, not encrypted). RSA keys of any size are accepted.
 * Errors: identity/invalid-ca when it is no private key or of another kind than RSA, ECDSA (P-256, P-384, P-521) or Ed25519.
 */
export async function importPrivateKey(pem: string): Promise<KeyPair> {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch (error) {
    throw new AppError('identity/invalid-ca', 'private key cannot be read: it must be an unencrypted private key in PEM', { cause: error })
  }
  const type = keyTypeOf(key)
  if (type === undefined) {
    throw new AppError(
      'identity/invalid-ca',
      `private key of type ${String(key.asymmetricKeyType)} is not supported: use RSA, ECDSA or Ed25519`,
    )
  }
  const spec = specs[type].generate
  const parameters = 'namedCurve' in spec || !('hash' in spec) ? spec : { name: spec.name, hash: spec.hash }
  try {
    const privateKey = await webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), parameters, true, ['sign'])
    const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
    const publicKey = await webcrypto.subtle.importKey('spki', spki, parameters, true, ['verify'])
    return { type, publicKey, privateKey }
  } catch (error) {
    throw new AppError('identity/invalid-ca', `private key cannot be used: ${messageOf(error)}`, { cause: error })
  }
}

/** PKCS#8 PEM of the private key. */
export async function privateKeyPem(key: KeyPair): Promise<string> {
  return pem('PRIVATE KEY', Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key.privateKey)))
}

/** SubjectPublicKeyInfo bytes: tells whether a certificate belongs to a key. */
export async function publicKeyDer(key: KeyPair): Promise<Buffer> {
  return Buffer.from(await webcrypto.subtle.exportKey('spki', key.publicKey))
}

/** PEM text of DER bytes, ending in a newline. */
export function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

function keyTypeOf(key: KeyObject): KeyType | undefined {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return 'rsa-2048'
    case 'ed25519':
      return 'ed25519'
    case 'ec': {
      const curve = key.asymmetricKeyDetails?.namedCurve ?? ''
      return Object.hasOwn(curves, curve) ? curves[curve] : undefined
    }
    default:
      return undefined
  }
}
