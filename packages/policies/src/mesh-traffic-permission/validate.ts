// Rules of MeshTrafficPermission that its schema cannot say (contract/policies.md section 3.14).
import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '@weft/resources'
import { matchesViolations } from '../match.ts'
import { topLevelViolations } from '../target-ref.ts'
import type { MeshTrafficPermissionSpec } from './resource.ts'

export function validateMeshTrafficPermission(spec: MeshTrafficPermissionSpec, { at }: ValidationContext): readonly Violation[] {
  const rules = spec.rules ?? []
  return [
    ...topLevelViolations(spec.targetRef, rules.length > 0, at),
    ...(rules.length === 0 ? [{ field: at, message: 'policy must define rules' }] : []),
    ...rules.flatMap((rule, index) => {
      const { allow, allowWithShadowDeny, deny } = rule.default
      const field = `${at}.rules[${index}]`
      if (![allow, allowWithShadowDeny, deny].some((list) => (list ?? []).length > 0)) {
        return [{ field, message: "at least one of 'allow', 'allowWithShadowDeny', 'deny' has to be defined" }]
      }
      return [
        ...matchesViolations(allow, `${field}.default.allow`),
        ...matchesViolations(allowWithShadowDeny, `${field}.default.allowWithShadowDeny`),
        ...matchesViolations(deny, `${field}.default.deny`),
      ]
    }),
  ]
}
