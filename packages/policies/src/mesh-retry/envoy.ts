// MeshRetry: retries of routes and connection attempts of TCP (contract/policies.md section 3.11). HTTP/2 destinations get none, as the contract has it.
import { field } from '@weft/foundation/json'
import { durationMs, type Mutable, packed, stringStruct, uintValue } from '@weft/envoy'
import type { Protocol } from '@weft/facts'
import type { Messages } from '@weft/proto'
import { headerMatcher } from '../header-match.ts'
import type { OutboundScope, PolicyPlugin } from '../plugin.ts'
import { grpcRetryConf, httpRetryConf, type RetryConf, tcpConnectAttempts } from './conf.ts'

type RetryPolicy = Mutable<Messages['envoy.config.route.v3.RetryPolicy']>

/** Retries of a destination. */
export interface OutboundRetries {
  readonly service?: RetryConf
  /** By route name: only routes that a policy names; null where it switches retries off. */
  readonly routes: Readonly<Record<string, RetryConf | null>>
  readonly tcpAttempts?: number
}

/** Edits routes and TCP proxies of outbounds. */
export const meshRetryPlugin: PolicyPlugin<undefined, OutboundRetries | undefined> = {
  type: 'MeshRetry',
  order: 1400,
  outboundConf: retriesOf,
  outboundListener({ listener }, conf) {
    if (conf === undefined) return
    const service = conf.service === undefined ? undefined : policyMessage(conf.service)
    for (const { terminal } of listener.chains) {
      if (terminal.kind === 'tcp') {
        if (conf.tcpAttempts !== undefined) terminal.config.maxConnectAttempts = uintValue(conf.tcpAttempts)
        continue
      }
      for (const route of terminal.virtualHosts.flatMap((host) => host.routes)) {
        const own = route.name !== undefined && Object.hasOwn(conf.routes, route.name) ? conf.routes[route.name] : undefined
        const policy = own === undefined ? service : own === null ? undefined : policyMessage(own)
        if (route.route && policy !== undefined) route.route.retryPolicy = policy
      }
    }
  },
}

function retriesOf({ destination, rule, routeRules }: OutboundScope): OutboundRetries | undefined {
  if (rule === undefined && routeRules.size === 0) return undefined
  const service = retryConfFor(destination.protocol, rule?.conf)
  const tcpAttempts = destination.protocol === 'tcp' ? tcpConnectAttempts(rule?.conf) : undefined
  return {
    ...(service === undefined ? {} : { service }),
    routes: Object.fromEntries(
      [...routeRules].map(([name, routeRule]) => [name, retryConfFor(destination.protocol, routeRule.conf) ?? null]),
    ),
    ...(tcpAttempts === undefined ? {} : { tcpAttempts }),
  }
}

function retryConfFor(protocol: Protocol, conf: unknown): RetryConf | undefined {
  if (protocol === 'http') return httpRetryConf(field(conf, 'http'))
  return protocol === 'grpc' ? grpcRetryConf(field(conf, 'grpc')) : undefined
}

function policyMessage(conf: RetryConf): RetryPolicy {
  const predicates = predicatesOf(conf)
  const requestHeaders = [
    ...conf.methods.map((method) => ({ name: ':method', stringMatch: { exact: method } })),
    ...conf.requestHeaders.map(headerMatcher),
  ]
  const message: RetryPolicy = { retryOn: conf.retryOn }
  if (conf.numRetries !== undefined) message.numRetries = uintValue(conf.numRetries)
  if (conf.perTryTimeoutMs !== undefined) message.perTryTimeout = durationMs(conf.perTryTimeoutMs)
  if (conf.backOff !== undefined)
    message.retryBackOff = { baseInterval: duration(conf.backOff.baseMs), maxInterval: duration(conf.backOff.maxMs) }
  if (conf.rateLimitedBackOff !== undefined) {
    message.rateLimitedRetryBackOff = {
      resetHeaders: [...conf.rateLimitedBackOff.resetHeaders],
      maxInterval: duration(conf.rateLimitedBackOff.maxMs),
    }
  }
  if (conf.statusCodes.length > 0) message.retriableStatusCodes = [...conf.statusCodes]
  if (requestHeaders.length > 0) message.retriableRequestHeaders = requestHeaders
  if (conf.responseHeaders.length > 0) message.retriableHeaders = conf.responseHeaders.map(headerMatcher)
  if (predicates.length > 0) message.retryHostPredicate = predicates
  if (conf.hostSelectionAttempts !== undefined) message.hostSelectionRetryMaxAttempts = conf.hostSelectionAttempts
  if (conf.previousPriorities !== undefined) {
    message.retryPriority = {
      name: 'envoy.retry_priorities.previous_priorities',
      typedConfig: packed('envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig', {
        updateFrequency: conf.previousPriorities,
      }),
    }
  }
  return message
}

function predicatesOf(conf: RetryConf): NonNullable<RetryPolicy['retryHostPredicate']> {
  return conf.omitHosts.map((omitted) =>
    omitted === 'tried'
      ? {
          name: 'envoy.retry_host_predicates.previous_hosts',
          typedConfig: packed('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate', {}),
        }
      : {
          name: 'envoy.retry_host_predicates.omit_host_metadata',
          typedConfig: packed('envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig', {
            metadataMatch: { filterMetadata: { 'envoy.lb': stringStruct(omitted.tags) } },
          }),
        },
  )
}

function duration(ms: number | undefined): ReturnType<typeof durationMs> | undefined {
  return ms === undefined ? undefined : durationMs(ms)
}
