// Asymmetric keys for certificates. Private keys live in memory as KeyObject; text forms are made only where a file, a Secret or Envoy needs one.
import { createPrivateKey, createPublicKey, generateKeyPair as generateKeys, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { AppError } from '@weft/foundation/errors'

/** The key types certificates may have. A leaf has the type of its CA. */
export type KeyType = 'ec-p256' | 'ec-p384' | 'ec-p521' | 'rsa-2048' | 'ed25519'

/** A key pair that can sign certificates or prove the possession of one. */
export interface KeyPair {
  readonly type: KeyType
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const curves: Readonly<Record<string, KeyType>> = { prime256v1: 'ec-p256', secp384r1: 'ec-p384', secp521r1: 'ec-p521' }
const generate = promisify(generateKeys)

/** A fresh key pair; generated off the main thread. */
export async function generateKeyPair(type: KeyType): Promise<KeyPair> {
  switch (type) {
    case 'rsa-2048':
      return { type, ...(await generate('rsa', { modulusLength: 2048 })) }
    case 'ed25519':
      return { type, ...(await generate('ed25519', {})) }
    default: {
      const namedCurve = Object.entries(curves).find(([, curveType]) => curveType === type)?.[0] ?? ''
      return { type, ...(await generate('ec', { namedCurve })) }
    }
  }
}

/**
 * Reads a private key in PEM (PKCS#8, PKCS#1 or SEC1, not encrypted). RSA keys of any size are accepted.
 * Errors: identity/invalid-ca when it is no private key or of another kind than RSA, ECDSA (P-256, P-384, P-521) or Ed25519.
 */
export async function importPrivateKey(text: string): Promise<KeyPair> {
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey(text)
  } catch (error) {
    throw new AppError('identity/invalid-ca', 'private key cannot be read: it must be an unencrypted private key in PEM', { cause: error })
  }
  const type = keyTypeOf(privateKey)
  if (type === undefined) {
    throw new AppError(
      'identity/invalid-ca',
      `private key of type ${String(privateKey.asymmetricKeyType)} is not supported: use RSA, ECDSA or Ed25519`,
    )
  }
  return { type, privateKey, publicKey: createPublicKey(privateKey) }
}

/** PKCS#8 PEM of the private key. */
export function privateKeyPem(key: KeyPair): string {
  return key.privateKey.export({ type: 'pkcs8', format: 'pem' })
}

/** SubjectPublicKeyInfo bytes: tells whether a certificate belongs to a key. */
export function publicKeyDer(key: KeyPair): Buffer {
  return key.publicKey.export({ type: 'spki', format: 'der' })
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
