// The part of the store the identity issuer needs, and the labels of what it writes. The store of the process fits by shape.
import { labelKeys, type Labels, type Resource, type ResourceKey } from '@weft/resources'
import type { SecretReader } from './signing-keys.ts'

export interface IdentityPut {
  readonly op: 'put'
  readonly resource: ResourceKey & { readonly labels: Labels; readonly spec: unknown; readonly status?: unknown }
  readonly expect?: 'absent' | number
}

/** Reads, writes and announcements of resources, as the store contract has them. */
export interface IdentityStore extends SecretReader {
  readonly seq: number
  transact(
    ops: readonly IdentityPut[],
    context: { readonly actor: string; readonly reason: string; readonly class: 'desired' | 'observed' },
  ): Promise<number>
  watch(fromSeq: number, listener: (changes: readonly { readonly key: ResourceKey; readonly after?: Resource }[]) => void): () => void
}

/** Who writes the authorities, trusts and conditions. */
export const issuerActor = 'generator:identity'

/** Labels of a resource this zone makes for itself. */
export function generatedLabels(mesh: string, name: string, environment: string): Record<string, string> {
  return { [labelKeys.mesh]: mesh, [labelKeys.displayName]: name, [labelKeys.origin]: 'zone', [labelKeys.env]: environment }
}
