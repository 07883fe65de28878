// Reads a value from where a resource says it is kept: a file, an environment variable, a Secret or the resource itself.
import { readFile } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { AppError } from '@weft/foundation/errors'
import { secretText, type SecretReader } from './signing-keys.ts'
import type { SecureDataSource } from './spiffe.ts'

/**
 * The text of a data source. `what` names it in messages.
 * Errors: identity/invalid-ca when it is missing, of an unknown type, or names a relative path.
 */
export async function readDataSource(
  source: SecureDataSource | undefined,
  options: { readonly what: string; readonly mesh: string; readonly secrets: SecretReader },
): Promise<string> {
  const missing = (why: string): AppError => new AppError('identity/invalid-ca', `${options.what}: ${why}`)
  switch (source?.type) {
    case 'File': {
      const path = source.file?.path ?? ''
      if (!isAbsolute(path) || path.split('/').includes('..')) throw missing('the file must be an absolute path without ".."')
      try {
        return await readFile(path, 'utf8')
      } catch (error) {
        throw new AppError('identity/invalid-ca', `${options.what}: file cannot be read: ${path}`, { cause: error })
      }
    }
    case 'EnvVar': {
      const name = source.envVar?.name ?? ''
      const value = Object.hasOwn(process.env, name) ? process.env[name] : undefined
      if (!value) throw missing(`environment variable ${name} is not set`)
      return value
    }
    case 'Secret': {
      const name = source.secretRef?.name ?? ''
      const text = secretText(options.secrets.get({ type: 'Secret', mesh: options.mesh, name }))
      if (!text) throw missing(`secret ${name} of mesh ${options.mesh} does not exist`)
      return text
    }
    case 'InsecureInline': {
      const value = source.insecureInline?.value
      if (!value) throw missing('the inline value is empty')
      return value
    }
    default:
      throw missing('its type must be File, EnvVar, Secret or InsecureInline')
  }
}
