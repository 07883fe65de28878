// Every kind that is not a policy.
import type { ResourceDescriptor } from '../descriptor.ts'
import { dataplane } from './dataplane.ts'
import { hostnameGenerator } from './hostname-generator.ts'
import { dataplaneInsight, meshInsight, serviceInsight, zoneInsight } from './insights.ts'
import { meshExternalService } from './mesh-external-service.ts'
import { meshIdentity } from './mesh-identity.ts'
import { meshMultiZoneService } from './mesh-multi-zone-service.ts'
import { meshOpenTelemetryBackend } from './mesh-open-telemetry-backend.ts'
import { meshService } from './mesh-service.ts'
import { meshTrust } from './mesh-trust.ts'
import { meshZoneAddress } from './mesh-zone-address.ts'
import { mesh } from './mesh.ts'
import { config, globalSecret, secret } from './secrets.ts'
import { workload } from './workload.ts'
import { zone } from './zone.ts'

/** The nineteen kinds that are not policies. */
export const coreDescriptors: readonly ResourceDescriptor[] = [
  config,
  dataplane,
  dataplaneInsight,
  globalSecret,
  hostnameGenerator,
  mesh,
  meshExternalService,
  meshIdentity,
  meshInsight,
  meshMultiZoneService,
  meshOpenTelemetryBackend,
  meshService,
  meshTrust,
  meshZoneAddress,
  secret,
  serviceInsight,
  workload,
  zone,
  zoneInsight,
]
