// Runs answers that were recorded from the peer's API: spec in, violations out (contract/rest-cli-gui.md section 4.1).
import assert from 'node:assert/strict'
import { checkSpec } from '../codecs/spec-json.ts'
import type { Registry } from '../registry.ts'
import { validateResource } from '../validate-resource.ts'

export interface RecordedViolations {
  readonly type: string
  readonly name?: string
  readonly spec: unknown
  /** `field | message`, in the order of the peer. */
  readonly violations: readonly string[]
}

/** Compares one recorded answer with ours. */
export function checkRecordedViolations(registry: Registry, recorded: RecordedViolations): void {
  const kind = registry.get(recorded.type)
  assert.ok(kind, recorded.type)
  const checked = checkSpec(kind, recorded.spec)
  const mesh = kind.scope === 'Mesh' ? 'default' : ''
  const found =
    checked.value === undefined
      ? checked.violations
      : validateResource(kind, { mesh, name: recorded.name ?? 'x', labels: {}, spec: checked.value })
  assert.deepEqual(
    found.map(({ field, message }) => `${field} | ${message}`),
    recorded.violations,
    JSON.stringify(recorded.spec),
  )
}
