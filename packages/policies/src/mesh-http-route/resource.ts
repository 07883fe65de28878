// MeshHTTPRoute: where requests to a destination go and how they are changed (contract/policies.md section 3.5).
import type { Infer } from '@weft/foundation/schema'
import { defineResource } from '@weft/resources'
import { backendRef, backendRefs } from '../backend-ref.ts'
import { headerMatch, headerValues } from '../headers.ts'
import { policyKind } from '../policy-kind.ts'
import { outboundTargetRef, topLevelTargetRef } from '../target-ref.ts'
import { validateMeshHttpRoute } from './validate.ts'

const match = {
  type: 'object',
  properties: {
    path: {
      type: 'object',
      properties: {
        value: { type: 'string', minLength: 1 },
        type: { type: 'string', enum: ['Exact', 'PathPrefix', 'RegularExpression'] },
      },
      required: ['value', 'type'],
    },
    method: { type: 'string', enum: ['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE'] },
    queryParams: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          type: { type: 'string', enum: ['Exact', 'RegularExpression'] },
          name: { type: 'string', minLength: 1 },
          value: { type: 'string' },
        },
        required: ['type', 'name', 'value'],
      },
    },
    headers: { type: 'array', items: headerMatch },
  },
} as const

const headerModifier = {
  type: 'object',
  properties: { set: headerValues, add: headerValues, remove: { type: 'array', maxItems: 16, items: { type: 'string' } } },
} as const

const hostname = {
  type: 'string',
  minLength: 1,
  maxLength: 253,
  pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
} as const

const path = {
  type: 'object',
  properties: {
    type: { type: 'string', enum: ['ReplaceFullPath', 'ReplacePrefixMatch'] },
    replaceFullPath: { type: 'string' },
    replacePrefixMatch: { type: 'string' },
  },
  required: ['type'],
} as const

const filter = {
  type: 'object',
  properties: {
    type: {
      type: 'string',
      enum: ['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestRedirect', 'URLRewrite', 'RequestMirror'],
    },
    requestHeaderModifier: headerModifier,
    responseHeaderModifier: headerModifier,
    requestRedirect: {
      type: 'object',
      properties: {
        scheme: { type: 'string', enum: ['http', 'https'] },
        hostname,
        path,
        port: { type: 'integer', minimum: 1, maximum: 65535 },
        statusCode: { type: 'integer', enum: [301, 302, 303, 307, 308], default: 302 },
      },
    },
    urlRewrite: { type: 'object', properties: { hostname, path, hostToBackendHostname: { type: 'boolean' } } },
    requestMirror: {
      type: 'object',
      properties: { percentage: { type: 'intOrString' }, backendRef },
      required: ['backendRef'],
    },
  },
  required: ['type'],
} as const

const rule = {
  type: 'object',
  properties: {
    matches: { type: 'array', minItems: 1, items: match },
    default: { type: 'object', properties: { filters: { type: 'array', items: filter }, backendRefs } },
  },
  required: ['matches', 'default'],
} as const

const spec = {
  type: 'object',
  properties: {
    targetRef: topLevelTargetRef,
    to: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          hostnames: { type: 'array', items: { type: 'string' } },
          targetRef: outboundTargetRef,
          rules: { type: 'array', items: rule },
        },
        required: ['targetRef', 'rules'],
      },
    },
  },
} as const

export const meshHttpRoute = defineResource({
  ...policyKind,
  type: 'MeshHTTPRoute',
  short: 'mhttpr',
  rest: { path: 'meshhttproutes' },
  cli: { one: 'meshhttproute', many: 'meshhttproutes' },
  display: { one: 'Mesh HTTP Route', many: 'Mesh HTTP Routes' },
  policy: { order: 100, to: true, rules: false, single: false },
  spec,
  validate: validateMeshHttpRoute,
})

export type MeshHttpRouteSpec = Infer<typeof spec>
export type HttpRouteRule = Infer<typeof rule>
export type HttpRouteMatch = Infer<typeof match>
export type HttpRouteFilter = Infer<typeof filter>
