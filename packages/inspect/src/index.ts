export { dataplaneRules } from './dataplane-rules.ts'
export { inboundPolicies, outboundPolicies, outboundRoutes, proxyPolicies, routePolicies } from './effective-policies.ts'
export {
  destinationsOf,
  destinationTarget,
  type Inspected,
  inspected,
  type InspectionSource,
  type PolicySync,
  type RejectedPolicy,
} from './inspected.ts'
export { dataplaneLayout } from './layout.ts'
export { explainDataplane, type ExplainQuestion, type ExplainSight } from './explain.ts'
export { createOfflineMesh, type OfflineMesh, type OfflineMeshOptions } from './offline-mesh.ts'
export { readResourceDocuments, type RefusedDocument, type ResourceDocuments } from './resource-documents.ts'
export { type Perspective, type PerspectiveOf, withReadyIdentity, zonePerspectives } from './zone-view.ts'
