// Insights: what control planes observed. Written by the control plane only (contract/resources.md section 3.1).
import { defineResource, type ResourceOf, type SpecOf } from '../descriptor.ts'
import { stringList } from './shared-schemas.ts'

const time = { type: 'string', format: 'date-time', presence: 'explicit' } as const
const counter = { type: 'int64', unsigned: true } as const
const number = { type: 'integer', minimum: 0, maximum: 4294967295 } as const
const flag = { type: 'boolean' } as const
const text = { type: 'string' } as const

const serviceStats = {
  type: 'object',
  properties: { responsesSent: counter, responsesAcknowledged: counter, responsesRejected: counter },
} as const

const zoneSubscription = {
  type: 'object',
  properties: {
    id: text,
    globalInstanceId: text,
    connectTime: time,
    disconnectTime: time,
    status: {
      type: 'object',
      properties: { lastUpdateTime: time, total: serviceStats, stat: { type: 'map', values: serviceStats } },
    },
    version: {
      type: 'object',
      properties: {
        kumaCp: {
          type: 'object',
          properties: { version: text, gitTag: text, gitCommit: text, buildDate: text, kumaCpGlobalCompatible: flag },
        },
      },
    },
    generation: number,
    config: text,
    authTokenProvided: flag,
    zoneInstanceId: text,
  },
} as const

const kdsStream = { type: 'object', properties: { globalInstanceId: text, connectTime: time } } as const

export const zoneInsight = defineResource({
  type: 'ZoneInsight',
  scope: 'Global',
  rest: { path: 'zone-insights', readOnly: true },
  display: { one: 'Zone Insight', many: 'Zone Insights' },
  sync: 'local',
  wire: { spec: 'kuma.system.v1alpha1.ZoneInsight' },
  kubernetes: { scope: 'Cluster' },
  spec: {
    type: 'object',
    properties: {
      subscriptions: { type: 'array', items: zoneSubscription },
      envoyAdminStreams: {
        type: 'object',
        properties: { configDumpGlobalInstanceId: text, statsGlobalInstanceId: text, clustersGlobalInstanceId: text },
      },
      healthCheck: { type: 'object', properties: { time } },
      kdsStreams: {
        type: 'object',
        properties: { clusters: kdsStream, configDump: kdsStream, stats: kdsStream, globalToZone: kdsStream, zoneToGlobal: kdsStream },
      },
    },
  },
})

const proxySubscription = {
  type: 'object',
  properties: {
    id: text,
    controlPlaneInstanceId: text,
    connectTime: time,
    disconnectTime: time,
    status: {
      type: 'object',
      properties: { lastUpdateTime: time, total: serviceStats, cds: serviceStats, eds: serviceStats, lds: serviceStats, rds: serviceStats },
    },
    version: {
      type: 'object',
      properties: {
        kumaDp: {
          type: 'object',
          properties: { version: text, gitTag: text, gitCommit: text, buildDate: text, kumaCpCompatible: flag },
        },
        envoy: { type: 'object', properties: { version: text, build: text, kumaDpCompatible: flag } },
        dependencies: { type: 'map', values: text },
      },
    },
    generation: number,
  },
} as const

const signal = {
  type: 'object',
  properties: {
    enabled: flag,
    envAllowed: flag,
    envInputPresent: flag,
    state: text,
    overrideKinds: stringList,
    missingFields: stringList,
    blockedReasons: stringList,
  },
} as const

export const dataplaneInsight = defineResource({
  type: 'DataplaneInsight',
  scope: 'Mesh',
  rest: { path: 'dataplane-insights', readOnly: true },
  display: { one: 'Dataplane Insight', many: 'Dataplane Insights' },
  sync: 'zone-to-global',
  // responses are counted all the time; what a proxy said of itself when it came is most of the message
  wire: { spec: 'kuma.mesh.v1alpha1.DataplaneInsight', lasting: ['mTLS', 'metadata', 'openTelemetry'] },
  kubernetes: { scope: 'Namespaced' },
  spec: {
    type: 'object',
    properties: {
      subscriptions: { type: 'array', items: proxySubscription },
      mTLS: {
        type: 'object',
        properties: {
          certificateExpirationTime: time,
          lastCertificateRegeneration: time,
          certificateRegenerations: number,
          issuedBackend: text,
          supportedBackends: stringList,
        },
      },
      metadata: { type: 'map', values: { type: 'any', nullable: true }, presence: 'explicit' },
      openTelemetry: {
        type: 'object',
        properties: {
          backends: { type: 'array', items: { type: 'object', properties: { name: text, traces: signal, logs: signal, metrics: signal } } },
        },
      },
    },
  },
})

const dataplaneStat = { type: 'object', properties: { total: number, online: number, offline: number, partiallyDegraded: number } } as const
const statMap = { type: 'map', values: dataplaneStat } as const

export const meshInsight = defineResource({
  type: 'MeshInsight',
  scope: 'Global',
  rest: { path: 'mesh-insights', readOnly: true },
  display: { one: 'Mesh Insight', many: 'Mesh Insights' },
  sync: 'global-only',
  wire: { spec: 'kuma.mesh.v1alpha1.MeshInsight' },
  kubernetes: { scope: 'Cluster' },
  spec: {
    type: 'object',
    properties: {
      dataplanes: dataplaneStat,
      dpVersions: { type: 'object', properties: { kumaDp: statMap, envoy: statMap } },
      mTLS: { type: 'object', properties: { issuedBackends: statMap, supportedBackends: statMap } },
      dataplanesByType: {
        type: 'object',
        properties: { standard: dataplaneStat, gateway: dataplaneStat, gatewayDelegated: dataplaneStat },
      },
      resources: { type: 'map', values: { type: 'object', properties: { total: number } } },
    },
  },
})

export const serviceInsight = defineResource({
  type: 'ServiceInsight',
  scope: 'Mesh',
  rest: { path: 'service-insights', readOnly: true },
  display: { one: 'Service Insight', many: 'Service Insights' },
  sync: 'global-to-zones',
  wire: { spec: 'kuma.mesh.v1alpha1.ServiceInsight' },
  kubernetes: { scope: 'Cluster' },
  spec: {
    type: 'object',
    properties: {
      services: {
        type: 'map',
        values: {
          type: 'object',
          properties: {
            status: { type: 'string', enum: ['none', 'offline', 'partially_degraded', 'online', 'not_available'] },
            dataplanes: { type: 'object', properties: { total: number, online: number, offline: number } },
            issuedBackends: { type: 'map', values: number },
            serviceType: { type: 'string', enum: ['internal', 'external', 'gateway_delegated'] },
            addressPort: text,
            zones: stringList,
          },
        },
      },
    },
  },
})

export type ZoneInsightSpec = SpecOf<typeof zoneInsight>
export type ZoneSubscription = NonNullable<ZoneInsightSpec['subscriptions']>[number]
export type DataplaneInsightSpec = SpecOf<typeof dataplaneInsight>
export type DataplaneSubscription = NonNullable<DataplaneInsightSpec['subscriptions']>[number]
export type MeshInsightSpec = SpecOf<typeof meshInsight>
export type ServiceInsightSpec = SpecOf<typeof serviceInsight>
export type ZoneInsight = ResourceOf<typeof zoneInsight>
export type DataplaneInsight = ResourceOf<typeof dataplaneInsight>
export type MeshInsight = ResourceOf<typeof meshInsight>
export type ServiceInsight = ResourceOf<typeof serviceInsight>
