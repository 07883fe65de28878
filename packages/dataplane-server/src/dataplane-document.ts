// A Dataplane as a launcher sends it: flat JSON text, parsed, brought to today's shape and checked. Used for bootstrap and for the stream.
import { field, isObject, type JsonObject, objectField, textField } from '@weft/foundation/json'
import { AppError, type Violation } from '@weft/foundation/errors'
import { checkSchema } from '@weft/foundation/schema'
import { dataplane, type DataplaneSpec, type Labels, meshViolations, nameViolations } from '@weft/resources'

/** A checked Dataplane that is not stored yet. */
export interface DataplaneDocument {
  readonly mesh: string
  readonly name: string
  readonly labels: Labels
  readonly spec: DataplaneSpec
}

/** Longer texts are refused before they are parsed. */
export const maxDocumentBytes = 256 * 1024

/**
 * Parses and checks the JSON text of a Dataplane. Errors: resource/undecodable when it is no JSON object; resource/invalid with violations
 * whose fields are as the API names them (`networking.address`).
 */
export function parseDataplane(text: string): DataplaneDocument {
  if (text.length > maxDocumentBytes) throw new AppError('resource/undecodable', 'dataplane resource is too large')
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new AppError('resource/undecodable', 'dataplane resource is not JSON', { cause: error })
  }
  if (!isObject(parsed)) throw new AppError('resource/undecodable', 'dataplane resource is not a JSON object')
  const document = parsed
  const type = textField(document, 'type')
  if (type !== 'Dataplane') throw new AppError('resource/undecodable', `resource of type "${type.slice(0, 100)}" is not a Dataplane`)
  const mesh = textField(document, 'mesh')
  const name = textField(document, 'name')
  const labels = labelsOf(document)
  const violations: Violation[] = [...labels.violations]
  const { networking } = withoutLegacyTags(document)
  const checked = checkSchema(dataplane.spec, networking === undefined ? {} : { networking }, { profile: 'proto' })
  violations.push(...checked.violations)
  if (checked.value) {
    if (!checked.value.networking) violations.push({ field: 'networking', message: 'must be defined' })
    else violations.push(...(dataplane.validate?.(checked.value, { at: '', mesh, name, labels: labels.value }) ?? []))
    violations.push(...meshViolations(mesh), ...nameViolations(name))
  }
  if (violations.length > 0 || !checked.value) throw invalid(violations)
  return { mesh, name, labels: labels.value, spec: checked.value }
}

function invalid(violations: readonly Violation[]): AppError {
  return new AppError('resource/invalid', violations.map(({ field: at, message }) => `${at}: ${message}`).join('; '), { violations })
}

function labelsOf(document: JsonObject): { readonly value: Labels; readonly violations: readonly Violation[] } {
  const given = field(document, 'labels')
  if (given === undefined || given === null) return { value: {}, violations: [] }
  const entries = Object.entries(isObject(given) ? given : {})
  const wrong = !isObject(given) || entries.some(([, value]) => typeof value !== 'string')
  if (wrong) return { value: {}, violations: [{ field: 'labels', message: 'must be an object of texts' }] }
  // fromEntries makes even `__proto__` an own property
  return { value: Object.fromEntries(entries.map(([key, value]) => [key, String(value)])), violations: [] }
}

/** Launchers of 2.14 name the protocol in the tags of an inbound; today it has a field of its own (contract/dataplane.md section 19, T26). */
function withoutLegacyTags(document: JsonObject): { readonly networking: unknown } {
  const networking = objectField(document, 'networking')
  const inbounds = field(networking, 'inbound')
  if (!networking || !Array.isArray(inbounds)) return { networking: field(document, 'networking') ?? undefined }
  const inbound = inbounds.map((each: unknown) => {
    if (!isObject(each) || !Object.hasOwn(each, 'tags')) return each
    const { tags, ...rest } = each
    const protocol = textField(tags, 'kuma.io/protocol')
    return protocol !== '' && textField(rest, 'protocol') === '' ? { ...rest, protocol } : rest
  })
  return { networking: { ...networking, inbound } }
}
