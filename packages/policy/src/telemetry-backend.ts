// Which collector a telemetry policy means (contract/policies.md section 1.1 BackendResourceRef).
import { field, isObject } from '@weft/foundation/json'
import type { TelemetryBackendFact } from '@weft/facts'
import { displayName, type Labels } from '@weft/resources'
import { labelsMatch } from './target-ref.ts'

/** The labels that a backendRef selects by; undefined when it selects by none and so means nothing. */
export function backendRefLabels(ref: unknown): Labels | undefined {
  const wanted = field(ref, 'labels')
  if (!isObject(wanted) || Object.keys(wanted).length === 0) return undefined
  return Object.fromEntries(Object.entries(wanted).map(([key, value]) => [key, String(value)]))
}

/** The collector that a backendRef selects: the oldest with all its labels; undefined when none has. `backends` are oldest first. */
export function resolveTelemetryBackend(ref: unknown, backends: readonly TelemetryBackendFact[]): TelemetryBackendFact | undefined {
  const labels = backendRefLabels(ref)
  if (labels === undefined) return undefined
  return backends.find((backend) => labelsMatch(labels, backend.labels, displayName({ name: backend.name, labels: backend.labels })))
}
