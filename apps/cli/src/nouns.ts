// Resource types as the control plane lists them: what a person may type and where it lives.
import { AppError } from '@weft/foundation/errors'
import { asRecord, type Connection } from './connection.ts'

export interface Noun {
  readonly type: string
  readonly isMeshScoped: boolean
  readonly path: string
  readonly shortName: string
}

/** Every type of the catalogue (`GET /_resources`). */
export async function listNouns(connection: Connection): Promise<readonly Noun[]> {
  const resources = asRecord(await connection.json('GET', '/_resources'))['resources']
  return (Array.isArray(resources) ? resources : []).map(asRecord).map((entry) => ({
    type: String(entry['name'] ?? ''),
    isMeshScoped: entry['scope'] === 'Mesh',
    path: String(entry['path'] ?? ''),
    shortName: String(entry['shortName'] ?? ''),
  }))
}

/** The type a person meant: its name in any case, plural path or short name. Throws cli/usage with the nearest names. */
export function findNoun(nouns: readonly Noun[], word: string): Noun {
  const wanted = word.toLowerCase().replaceAll('-', '')
  const found = nouns.find((noun) => [noun.type.toLowerCase(), noun.path.replaceAll('-', ''), noun.shortName].includes(wanted))
  if (found) return found
  const near = nouns
    .filter((noun) => noun.path.includes(wanted.slice(0, 6)) || wanted.includes(noun.type.toLowerCase()))
    .map((noun) => noun.path)
  throw new AppError('cli/usage', `no resource type "${word}"${near.length > 0 ? `; did you mean ${near.slice(0, 4).join(', ')}?` : ''}`)
}

/** REST path of a type's list, or of one resource. */
export function restPath(noun: Noun, mesh: string | undefined, name?: string): string {
  const scope = noun.isMeshScoped && mesh !== undefined ? `/meshes/${encodeURIComponent(mesh)}` : ''
  return `${scope}/${noun.path}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`
}
