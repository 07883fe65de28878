// Rules of MeshTCPRoute that its schema cannot say (contract/policies.md section 3.6).
import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '@weft/resources'
import { backendRefViolations, destinationKinds } from '../backend-ref.ts'
import { toViolations } from '../entries.ts'
import { topLevelViolations } from '../target-ref.ts'
import { mustBeDefined } from '../value-rules.ts'
import type { MeshTcpRouteSpec } from './resource.ts'

export function validateMeshTcpRoute(spec: MeshTcpRouteSpec, { at }: ValidationContext): readonly Violation[] {
  return [
    ...topLevelViolations(spec.targetRef, false, at),
    ...toViolations(spec.to, {
      kinds: destinationKinds,
      at,
      check: (entry, field) =>
        entry.rules.flatMap((rule, index) => {
          const refs = rule.default.backendRefs ?? []
          const path = `${field}.rules[${index}].default.backendRefs`
          if (refs.length === 0) return [{ field: path, message: mustBeDefined }]
          return refs.flatMap((ref, position) => backendRefViolations(ref, `${path}[${position}]`))
        }),
    }),
  ]
}
