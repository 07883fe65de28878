// weft generate tls-certificate: a certificate of its own for a port or a client, made here. No control plane is asked.
import { writeFileSync } from 'node:fs'
import { AppError, messageOf } from '@weft/foundation/errors'
import { createClientCertificate, createServerCertificate } from '@weft/identity'

export interface CertificateRequest {
  /** `client` proves who a zone is (KUMA_MULTIZONE_GLOBAL_KDS_TLS_CLIENT_CA_FILE); `server` is for ports. */
  readonly type: string
  /** Host names and IP addresses it stands for; of a zone's client certificate, the name of the zone. */
  readonly hostname: readonly string[]
  readonly certFile: string
  readonly keyFile: string
}

const ownerOnly = 0o600

/**
 * Writes a self-signed pair, valid for ten years; the key is readable by its owner only. Files that exist are kept: a pair in use is not
 * replaced by accident. Errors: cli/usage.
 */
export async function generateCertificate(request: CertificateRequest, print: (text: string) => void): Promise<void> {
  const { type, hostname: hosts, certFile, keyFile } = request
  if (type !== 'client' && type !== 'server') throw new AppError('cli/usage', `--type ${type}: client or server`)
  const create = type === 'client' ? createClientCertificate : createServerCertificate
  const { certificatePem, privateKeyPem } = await create({ hosts, commonName: hosts[0] ?? '', now: Date.now() })
  write(keyFile, privateKeyPem, ownerOnly)
  write(certFile, certificatePem)
  print(`certificate for ${hosts.join(', ')}: ${certFile}, its key: ${keyFile}`)
}

function write(file: string, text: string, mode?: number): void {
  try {
    writeFileSync(file, text, { flag: 'wx', ...(mode === undefined ? {} : { mode }) })
  } catch (error) {
    throw new AppError('cli/usage', `cannot write ${file}: ${messageOf(error)}`)
  }
}
