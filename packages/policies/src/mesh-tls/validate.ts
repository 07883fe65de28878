// Rules of MeshTLS that its schema cannot say (contract/policies.md section 3.7).
import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '@weft/resources'
import { topLevelViolations } from '../target-ref.ts'
import { tlsVersionViolations } from '../tls-versions.ts'
import type { MeshTlsSpec } from './resource.ts'

const onlyMesh = (name: string): string => `${name} can only be defined with top level targetRef kind: Mesh`

export function validateMeshTls(spec: MeshTlsSpec, { at }: ValidationContext): readonly Violation[] {
  const rules = spec.rules ?? []
  const wholeMesh = (spec.targetRef?.kind ?? 'Mesh') === 'Mesh'
  return [
    ...topLevelViolations(spec.targetRef, rules.length > 0, at),
    ...rules.flatMap((rule, index) => {
      const field = `${at}.rules[${index}].default`
      const { tlsVersion, tlsCiphers } = rule.default
      const violations: Violation[] = []
      if (!wholeMesh && (tlsCiphers ?? []).length > 0) violations.push({ field: `${field}.tlsCiphers`, message: onlyMesh('tlsCiphers') })
      if (tlsVersion === undefined) return violations
      if (!wholeMesh) return [...violations, { field: `${field}.tlsVersion`, message: onlyMesh('tlsVersion') }]
      return [...violations, ...tlsVersionViolations(tlsVersion, `${field}.tlsVersion`)]
    }),
  ]
}
