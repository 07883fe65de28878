// Documents as people write them, made into resources as a control plane would store them: checked, defaulted, with computed labels.
import { AppError, type Violation } from '@weft/foundation/errors'
import { field } from '@weft/foundation/json'
import { computeLabels, decodeRest, emptyStatus, type LabelPlace, type Registry, type Resource, validateResource } from '@weft/resources'

/** A document that is no resource. */
export interface RefusedDocument {
  /** Where it was, as given. */
  readonly source: string
  readonly message: string
  readonly violations: readonly Violation[]
}

export interface ResourceDocuments {
  readonly resources: readonly Pick<Resource, 'type' | 'mesh' | 'name' | 'labels' | 'spec' | 'status'>[]
  readonly refused: readonly RefusedDocument[]
}

/** Reads all documents; those that are wrong are named and the others stand. A document's own origin and zone labels are kept. */
export function readResourceDocuments(
  registry: Registry,
  documents: readonly { readonly source: string; readonly value: unknown }[],
  place: LabelPlace,
): ResourceDocuments {
  const resources: ResourceDocuments['resources'][number][] = []
  const refused: RefusedDocument[] = []
  for (const { source, value } of documents) {
    try {
      resources.push(readOne(registry, value, place))
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      refused.push({ source, message: error.message, violations: error.violations })
    }
  }
  return { resources, refused }
}

function readOne(registry: Registry, value: unknown, place: LabelPlace): ResourceDocuments['resources'][number] {
  const type = field(value, 'type')
  const kind = typeof type === 'string' ? registry.get(type) : undefined
  if (!kind) throw new AppError('resource/unknown-type', `unknown resource type ${JSON.stringify(type ?? '')}`)
  const decoded = decodeRest(kind, value, 'default')
  const { mesh, name, spec } = decoded
  const violations = [...decoded.violations, ...(decoded.violations.length > 0 ? [] : validateResource(kind, decoded, { from: 'peer' }))]
  if (violations.length > 0) throw new AppError('resource/invalid', `${kind.type} ${name} is not valid`, { violations })
  const computed = computeLabels(kind, decoded, place)
  // what came from elsewhere says so itself: a document may stand for a synced resource
  const labels = { ...computed, ...decoded.labels }
  const status = field(value, 'status') ?? emptyStatus(kind)
  return { type: kind.type, mesh, name, labels, spec, ...(status === undefined ? {} : { status }) }
}
