// What all policies have in common as resources (contract/policies.md section 1.8).
import { conditions } from '@weft/resources'

/** Facets shared by every policy's descriptor. */
export const policyKind = {
  scope: 'Mesh',
  sync: 'everywhere',
  wire: { spec: 'json' },
  kubernetes: { scope: 'Namespaced' },
} as const

/** `status` of policies that report whether their backends exist. */
export const conditionsStatus = { type: 'object', properties: { conditions } } as const
