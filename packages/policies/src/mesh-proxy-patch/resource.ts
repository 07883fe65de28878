// MeshProxyPatch: last edits of Envoy resources, written by people who know Envoy (contract/policies.md section 3.16).
import type { Infer } from '@weft/foundation/schema'
import { defineResource, stringMap } from '@weft/resources'
import { policyKind } from '../policy-kind.ts'
import { topLevelTargetRef } from '../target-ref.ts'
import { validateMeshProxyPatch } from './validate.ts'

const text = { type: 'string' } as const

const jsonPatches = {
  type: 'array',
  items: {
    type: 'object',
    properties: {
      op: { type: 'string', enum: ['add', 'remove', 'replace', 'move', 'copy'] },
      path: text,
      value: { type: 'any', nullable: true },
      from: text,
    },
    required: ['op', 'path'],
  },
} as const

const resourceOperation = { type: 'string', enum: ['Add', 'Remove', 'Patch'] } as const
const filterOperation = { type: 'string', enum: ['Remove', 'Patch', 'AddFirst', 'AddBefore', 'AddAfter', 'AddLast'] } as const

const filter = {
  type: 'object',
  properties: {
    match: { type: 'object', properties: { origin: text, name: text, listenerName: text, listenerTags: stringMap } },
    operation: filterOperation,
    value: text,
    jsonPatches,
  },
  required: ['operation'],
} as const

const modification = {
  type: 'object',
  properties: {
    cluster: {
      type: 'object',
      properties: {
        match: { type: 'object', properties: { origin: text, name: text } },
        operation: resourceOperation,
        value: text,
        jsonPatches,
      },
      required: ['operation'],
    },
    listener: {
      type: 'object',
      properties: {
        match: { type: 'object', properties: { origin: text, name: text, tags: stringMap } },
        operation: resourceOperation,
        value: text,
        jsonPatches,
      },
      required: ['operation'],
    },
    networkFilter: filter,
    httpFilter: filter,
    virtualHost: {
      type: 'object',
      properties: {
        match: { type: 'object', properties: { origin: text, name: text, routeConfigurationName: text } },
        operation: resourceOperation,
        value: text,
        jsonPatches,
      },
      required: ['match', 'operation'],
    },
  },
} as const

const spec = {
  type: 'object',
  properties: {
    targetRef: topLevelTargetRef,
    default: { type: 'object', properties: { appendModifications: { type: 'array', items: modification } } },
  },
  required: ['default'],
} as const

export const meshProxyPatch = defineResource({
  ...policyKind,
  type: 'MeshProxyPatch',
  short: 'mpp',
  rest: { path: 'meshproxypatches' },
  cli: { one: 'meshproxypatch', many: 'meshproxypatches' },
  display: { one: 'Mesh Proxy Patch', many: 'Mesh Proxy Patches' },
  policy: { order: 9999, to: false, rules: false, single: true },
  spec,
  validate: validateMeshProxyPatch,
})

export type MeshProxyPatchSpec = Infer<typeof spec>
export type ProxyModification = Infer<typeof modification>
