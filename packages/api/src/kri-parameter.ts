// Identifiers in paths (contract/rest-cli-gui.md section 5): what is wrong with one is said in the reference's words.
import { type Kri, parseKri, type Registry, type ResourceDescriptor } from '@weft/resources'
import { badRequest } from './problem.ts'

/** The identifier and its kind. Throws the Problem to answer with when it is none or its kind is unknown. */
export function kriParameter(registry: Registry, text: string): { readonly kri: Kri; readonly kind: ResourceDescriptor } {
  const kri = parseKri(text)
  if (!kri) {
    const hasAllParts = text.split('_').length >= 7
    throw badRequest(`${hasAllParts ? "identifier must start with 'kri'" : 'invalid identifier string'}: ${JSON.stringify(text)}`)
  }
  const kind = registry.byShort(kri.short)
  if (!kind) throw badRequest(`unknown short name of resource type: ${JSON.stringify(kri.short)}`)
  return { kri, kind }
}
