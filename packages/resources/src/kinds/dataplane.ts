// Dataplane: one proxy's inventory: its inbounds, outbounds and zone listeners (contract/dataplane.md section 6).
import type { Infer } from '@weft/foundation/schema'
import { defineResource, type ResourceOf } from '../descriptor.ts'
import { labelKeys } from '../model.ts'
import { validateDataplane } from './dataplane-rules.ts'
import { stringList, stringMap } from './shared-schemas.ts'

const number = { type: 'integer', minimum: 0, maximum: 4294967295 } as const
const wrappedNumber = { type: 'integer', minimum: 0, maximum: 4294967295, presence: 'explicit' } as const
const seconds = { type: 'string', format: 'seconds', presence: 'explicit' } as const

const inbound = {
  type: 'object',
  properties: {
    port: number,
    servicePort: number,
    address: { type: 'string' },
    serviceAddress: { type: 'string' },
    health: { type: 'object', properties: { ready: { type: 'boolean' } } },
    serviceProbe: {
      type: 'object',
      properties: {
        interval: seconds,
        timeout: seconds,
        unhealthyThreshold: wrappedNumber,
        healthyThreshold: wrappedNumber,
        tcp: { type: 'object', properties: {} },
      },
    },
    state: { type: 'string', enum: ['Ready', 'NotReady', 'Ignored'], description: 'Absent means Ready.' },
    name: { type: 'string' },
    protocol: { type: 'string' },
  },
} as const

const outbound = {
  type: 'object',
  properties: {
    address: { type: 'string' },
    port: number,
    backendRef: {
      type: 'object',
      properties: { kind: { type: 'string' }, name: { type: 'string' }, port: number, labels: stringMap },
    },
  },
} as const

const transparentProxying = {
  type: 'object',
  properties: {
    redirectPortInbound: number,
    redirectPortOutbound: number,
    directAccessServices: stringList,
    ipFamilyMode: { type: 'string', enum: ['UnSpecified', 'DualStack', 'IPv4', 'IPv6'] },
    reachableBackends: {
      type: 'object',
      properties: {
        refs: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              kind: { type: 'string' },
              name: { type: 'string' },
              namespace: { type: 'string' },
              port: wrappedNumber,
              labels: stringMap,
            },
          },
        },
      },
    },
  },
} as const

const listener = {
  type: 'object',
  properties: {
    type: { type: 'string', enum: ['Unspecified', 'ZoneIngress', 'ZoneEgress'] },
    address: { type: 'string' },
    port: number,
    name: { type: 'string' },
    state: { type: 'string', enum: ['Ready', 'NotReady'], description: 'Absent means Ready.' },
  },
} as const

const spec = {
  type: 'object',
  properties: {
    networking: {
      type: 'object',
      properties: {
        address: { type: 'string' },
        gateway: { type: 'object', properties: { tags: stringMap, type: { type: 'string', enum: ['DELEGATED'] } } },
        inbound: { type: 'array', items: inbound },
        outbound: { type: 'array', items: outbound },
        transparentProxying,
        admin: { type: 'object', properties: { port: number } },
        listeners: { type: 'array', items: listener },
      },
    },
  },
} as const

export const dataplane = defineResource({
  type: 'Dataplane',
  scope: 'Mesh',
  short: 'dp',
  rest: { path: 'dataplanes' },
  cli: { one: 'dataplane', many: 'dataplanes' },
  display: { one: 'Dataplane', many: 'Dataplanes' },
  sync: 'zone-to-global',
  wire: { spec: 'kuma.mesh.v1alpha1.Dataplane' },
  kubernetes: { scope: 'Namespaced' },
  overview: { insight: 'DataplaneInsight', type: 'DataplaneOverview' },
  spec,
  validate: validateDataplane,
  specLabels: (spec) => {
    const kinds = new Set(spec.networking?.listeners?.map((item) => item.type))
    return {
      ...(kinds.has('ZoneIngress') ? { [labelKeys.zoneIngress]: 'enabled' } : {}),
      ...(kinds.has('ZoneEgress') ? { [labelKeys.zoneEgress]: 'enabled' } : {}),
    }
  },
})

export type DataplaneSpec = Infer<typeof spec>
export type Dataplane = ResourceOf<typeof dataplane>
export type DataplaneInbound = NonNullable<NonNullable<DataplaneSpec['networking']>['inbound']>[number]
export type DataplaneOutbound = NonNullable<NonNullable<DataplaneSpec['networking']>['outbound']>[number]
export type DataplaneListener = NonNullable<NonNullable<DataplaneSpec['networking']>['listeners']>[number]
