// Where a kind takes a secret or certificate from: by reference or inline, never by copy in two places.
import type { Violation } from '@weft/foundation/errors'
import type { Infer } from '@weft/foundation/schema'

export const secureSource = {
  type: 'object',
  properties: {
    type: { type: 'string', enum: ['File', 'Secret', 'EnvVar', 'InsecureInline'] },
    file: { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] },
    envVar: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
    insecureInline: { type: 'object', properties: { value: { type: 'string' } }, required: ['value'] },
    secretRef: {
      type: 'object',
      properties: { kind: { type: 'string', enum: ['Secret'] }, name: { type: 'string' } },
      required: ['kind', 'name'],
    },
  },
  required: ['type'],
} as const

export type SecureSource = Infer<typeof secureSource>

const must = 'must be defined'

/** Checks that the source names what its type asks for. */
export function secureSourceViolations(source: SecureSource, at: string): readonly Violation[] {
  switch (source.type) {
    case 'EnvVar':
      return present(source.envVar?.name, source.envVar, `${at}.envVar`, 'name')
    case 'InsecureInline':
      return present(source.insecureInline?.value, source.insecureInline, `${at}.insecureInline`, 'value')
    case 'Secret':
      return present(source.secretRef?.name, source.secretRef, `${at}.secretRef`, 'name')
    case 'File': {
      const path = source.file?.path
      if (path === undefined || path === '') return present(path, source.file, `${at}.file`, 'path')
      if (!path.startsWith('/')) return [{ field: `${at}.file.path`, message: `file path must be absolute: ${path}` }]
      return path.split('/').includes('..')
        ? [{ field: `${at}.file.path`, message: `file path contains directory traversal sequence: ${path}` }]
        : []
    }
  }
}

function present(value: string | undefined, parent: unknown, at: string, name: string): readonly Violation[] {
  if (parent === undefined) return [{ field: at, message: must }]
  return value === undefined || value === '' ? [{ field: `${at}.${name}`, message: must }] : []
}
