export { addressViolations, isIpOrDnsName } from './addresses.ts'
export { decodeKdsResource, encodeKdsResource, kdsEncoding } from './codecs/kds-any.ts'
export type { KdsResource } from './codecs/kds-any.ts'
export { encodeKubernetes } from './codecs/kubernetes-json.ts'
export { decodeRest, destinationSnis, encodeRest, encodeRestMeta } from './codecs/rest-json.ts'
export type { DecodedBody, PortSni } from './codecs/rest-json.ts'
export { parseYamlDocuments } from './codecs/yaml.ts'
export type { YamlDocument } from './codecs/yaml.ts'
export { checkSpec, checkStatus, emptyStatus } from './codecs/spec-json.ts'
export { defineResource, isJsonKind, isReadOnly, specPath } from './descriptor.ts'
export type {
  CliFacet,
  DestinationFacet,
  PolicyFacet,
  ResourceDescriptor,
  ResourceLiteral,
  ResourceOf,
  RestFacet,
  ServicePort,
  SpecOf,
  StatusOf,
  TypedDescriptor,
  ValidationContext,
} from './descriptor.ts'
export { hashedName, kdsName } from './kds-name.ts'
export { coreDescriptors } from './kinds/core-descriptors.ts'
export { secureSource, secureSourceViolations } from './kinds/data-source.ts'
export type { SecureSource } from './kinds/data-source.ts'
export { dataplane } from './kinds/dataplane.ts'
export type { Dataplane, DataplaneInbound, DataplaneListener, DataplaneOutbound, DataplaneSpec } from './kinds/dataplane.ts'
export { hostnameGenerator } from './kinds/hostname-generator.ts'
export type { HostnameGenerator, HostnameGeneratorSpec } from './kinds/hostname-generator.ts'
export { dataplaneInsight, meshInsight, serviceInsight, zoneInsight } from './kinds/insights.ts'
export type {
  DataplaneInsight,
  DataplaneInsightSpec,
  DataplaneSubscription,
  MeshInsight,
  MeshInsightSpec,
  ServiceInsight,
  ServiceInsightSpec,
  ZoneInsight,
  ZoneInsightSpec,
  ZoneSubscription,
} from './kinds/insights.ts'
export { meshExternalService } from './kinds/mesh-external-service.ts'
export type { MeshExternalService, MeshExternalServiceSpec, MeshExternalServiceStatus } from './kinds/mesh-external-service.ts'
export { meshIdentity } from './kinds/mesh-identity.ts'
export type { MeshIdentity, MeshIdentitySpec, MeshIdentityStatus } from './kinds/mesh-identity.ts'
export { meshMultiZoneService } from './kinds/mesh-multi-zone-service.ts'
export type { MeshMultiZoneService, MeshMultiZoneServiceSpec, MeshMultiZoneServiceStatus } from './kinds/mesh-multi-zone-service.ts'
export { meshOpenTelemetryBackend } from './kinds/mesh-open-telemetry-backend.ts'
export type {
  MeshOpenTelemetryBackend,
  MeshOpenTelemetryBackendSpec,
  MeshOpenTelemetryBackendStatus,
} from './kinds/mesh-open-telemetry-backend.ts'
export { meshService } from './kinds/mesh-service.ts'
export type { MeshService, MeshServiceSpec, MeshServiceStatus } from './kinds/mesh-service.ts'
export { meshTrust } from './kinds/mesh-trust.ts'
export type { MeshTrust, MeshTrustSpec, MeshTrustStatus } from './kinds/mesh-trust.ts'
export { meshZoneAddress } from './kinds/mesh-zone-address.ts'
export type { MeshZoneAddress, MeshZoneAddressSpec } from './kinds/mesh-zone-address.ts'
export { mesh } from './kinds/mesh.ts'
export type { Mesh, MeshSpec } from './kinds/mesh.ts'
export { config, globalSecret, secret } from './kinds/secrets.ts'
export type { Config, ConfigSpec, GlobalSecret, GlobalSecretSpec, Secret, SecretSpec } from './kinds/secrets.ts'
export { servicePorts } from './kinds/service-ports.ts'
export { conditions, port, stringMap } from './kinds/shared-schemas.ts'
export { workload } from './kinds/workload.ts'
export type { Workload, WorkloadSpec, WorkloadStatus } from './kinds/workload.ts'
export { zone } from './kinds/zone.ts'
export type { Zone, ZoneSpec } from './kinds/zone.ts'
export { formatKri, kriOf, kriText, parseKri, withoutSection } from './kri.ts'
export type { Kri } from './kri.ts'
export { labelPath, labelViolations } from './label-rules.ts'
export { computeLabels, sortLabels } from './labels.ts'
export type { LabelPlace } from './labels.ts'
export { displayName, keyText, labelKeys, nameKey } from './model.ts'
export type { Labels, Resource, ResourceKey } from './model.ts'
export {
  invalidSubdomain1123,
  isRfc1035Label,
  isRfc1123Label,
  isRfc1123Subdomain,
  meshViolations,
  nameViolations,
  rfc1035Messages,
} from './names.ts'
export { computePolicyRole, mixedRoleMessage } from './policy-role.ts'
export type { PolicyRole, RolePlace } from './policy-role.ts'
export { isRegex } from './regex.ts'
export { createRegistry } from './registry.ts'
export type { Registry } from './registry.ts'
export { ingressProbe, sniOf } from './sni.ts'
export { renderTemplate, templateNames } from './template.ts'
export type { Rendering, TemplateInput } from './template.ts'
export { isProvidedBy, isSentToGlobal, isSentToZones, isSharedAcrossZones, syncBits, syncFlags } from './sync-plan.ts'
export type { ControlPlaneMode, SyncPlan } from './sync-plan.ts'
export { validateResource } from './validate-resource.ts'
export type { ValidationScope } from './validate-resource.ts'
export { immutableLabelViolations, originViolations, writeLabelViolations, zonedNameViolations } from './write-label-rules.ts'
export type { WritePlace } from './write-label-rules.ts'
