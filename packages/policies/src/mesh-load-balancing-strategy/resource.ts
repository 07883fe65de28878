// MeshLoadBalancingStrategy: algorithm, hashing and locality of load balancing (contract/policies.md section 3.8).
import type { Infer } from '@weft/foundation/schema'
import { defineResource } from '@weft/resources'
import { policyKind } from '../policy-kind.ts'
import { topLevelTargetRef, toList } from '../target-ref.ts'
import { duration, uint32 } from '../value-rules.ts'
import { validateMeshLoadBalancingStrategy } from './validate.ts'

const zones = { type: 'array', items: { type: 'string' } } as const
const ringSize = { type: 'integer', minimum: 1, maximum: 8_000_000 } as const

const hashPolicies = {
  type: 'array',
  items: {
    type: 'object',
    properties: {
      type: { type: 'string', enum: ['Header', 'Cookie', 'Connection', 'QueryParameter', 'FilterState'] },
      terminal: { type: 'boolean' },
      header: { type: 'object', properties: { name: { type: 'string', minLength: 1 } }, required: ['name'] },
      cookie: {
        type: 'object',
        properties: { name: { type: 'string', minLength: 1 }, ttl: duration, path: { type: 'string' } },
        required: ['name'],
      },
      connection: { type: 'object', properties: { sourceIP: { type: 'boolean' } } },
      queryParameter: { type: 'object', properties: { name: { type: 'string', minLength: 1 } }, required: ['name'] },
      filterState: { type: 'object', properties: { key: { type: 'string', minLength: 1 } }, required: ['key'] },
    },
    required: ['type'],
  },
} as const

const conf = {
  type: 'object',
  default: {},
  properties: {
    localityAwareness: {
      type: 'object',
      properties: {
        disabled: { type: 'boolean' },
        localZone: {
          type: 'object',
          properties: {
            affinityTags: {
              type: 'array',
              items: { type: 'object', properties: { key: { type: 'string' }, weight: uint32 }, required: ['key'] },
            },
          },
        },
        crossZone: {
          type: 'object',
          properties: {
            failover: {
              type: 'array',
              items: {
                type: 'object',
                properties: {
                  from: { type: 'object', properties: { zones }, required: ['zones'] },
                  to: {
                    type: 'object',
                    properties: { type: { type: 'string', enum: ['None', 'Only', 'Any', 'AnyExcept'] }, zones },
                    required: ['type'],
                  },
                },
                required: ['to'],
              },
            },
            failoverThreshold: { type: 'object', properties: { percentage: { type: 'intOrString' } }, required: ['percentage'] },
          },
        },
      },
    },
    loadBalancer: {
      type: 'object',
      properties: {
        type: { type: 'string', enum: ['RoundRobin', 'LeastRequest', 'RingHash', 'Random', 'Maglev'] },
        roundRobin: { type: 'object', properties: {} },
        leastRequest: {
          type: 'object',
          properties: { choiceCount: { type: 'integer', minimum: 2, maximum: 4294967295 }, activeRequestBias: { type: 'intOrString' } },
        },
        ringHash: {
          type: 'object',
          properties: {
            hashFunction: { type: 'string', enum: ['XXHash', 'MurmurHash2'] },
            minRingSize: ringSize,
            maxRingSize: ringSize,
          },
        },
        random: { type: 'object', properties: {} },
        maglev: { type: 'object', properties: { tableSize: { type: 'integer', minimum: 1, maximum: 5_000_011 } } },
      },
      required: ['type'],
    },
    hashPolicies,
  },
} as const

const spec = {
  type: 'object',
  properties: {
    targetRef: topLevelTargetRef,
    to: toList(conf),
  },
} as const

export const meshLoadBalancingStrategy = defineResource({
  ...policyKind,
  type: 'MeshLoadBalancingStrategy',
  short: 'mlbs',
  rest: { path: 'meshloadbalancingstrategies' },
  cli: { one: 'meshloadbalancingstrategy', many: 'meshloadbalancingstrategies' },
  display: { one: 'Mesh Load Balancing Strategy', many: 'Mesh Load Balancing Strategies' },
  policy: { order: 400, to: true, rules: false, single: false },
  spec,
  validate: validateMeshLoadBalancingStrategy,
})

export type MeshLoadBalancingStrategySpec = Infer<typeof spec>
export type LoadBalancingConf = Infer<typeof conf>
