// What one replica asks another because only that one has the stream: Envoys of a zone's proxies, and the configuration of a proxy.
import type { ApiServerDeps, EnvoyAdminKind, EnvoyAdminOptions } from '@weft/api'
import { AppError, hasCode } from '@weft/foundation/errors'
import { isObject } from '@weft/foundation/json'
import type { Holding, Replicas } from '@weft/replicas'
import { labelKeys, type Resource } from '@weft/resources'
import { readMessage, writeMessage } from './replica-messages.ts'

/** As far as a Dataplane has to be known to find its Envoy. */
export type NamedDataplane = Pick<Resource, 'type' | 'mesh' | 'name' | 'labels'>

export interface EnvoyAdminOfReplicas {
  ask(kind: EnvoyAdminKind, dataplane: NamedDataplane, options: EnvoyAdminOptions): Promise<Uint8Array>
}

type ProxyConfig = NonNullable<ApiServerDeps['proxyConfig']>

/** A little longer than anything an answer waits for itself, so that its error comes through. */
const limitMs = 15_000

export interface AskedEnvoys {
  readonly replicas: Replicas
  /** Whose stream leads to the Envoy of this Dataplane. */
  holding(dataplane: NamedDataplane): Holding
  /** Whether this replica has that stream. */
  isHere(dataplane: NamedDataplane): boolean
  /** Asks over this replica's own streams. */
  ask: EnvoyAdminOfReplicas['ask']
}

/** Questions to Envoys, answered by the replica that has the stream. Where none is known it is tried from here, so that the error says why. */
export function envoyAdminOfReplicas({ replicas, holding, isHere, ask }: AskedEnvoys): EnvoyAdminOfReplicas {
  const topic = 'admin/envoy'
  replicas.serve(topic, async (body) => {
    const { kind, dataplane, options } = read(body)
    if (!isHere(dataplane)) throw noHolder(dataplane.name)
    // the shape is that of our own question
    return ask(kind as EnvoyAdminKind, dataplane, options as EnvoyAdminOptions)
  })
  return {
    ask: async (kind, dataplane, options) => {
      if (isHere(dataplane)) return ask(kind, dataplane, options)
      // the other reads its own state: names and labels are enough
      const { type, mesh, name, labels } = dataplane
      const body = writeMessage({ kind, dataplane: { type, mesh, name, labels }, options })
      return elsewhere(
        () => replicas.askHolder(holding(dataplane), { topic, body, limitMs }),
        () => ask(kind, dataplane, options),
      )
    },
  }
}

/** The configuration of a proxy, from the replica that serves it. */
export function proxyConfigOfReplicas(replicas: Replicas, isHere: (dataplane: NamedDataplane) => boolean, local: ProxyConfig): ProxyConfig {
  const topic = 'proxy/config'
  replicas.serve(topic, async (body) => {
    const { dataplane, options } = read(body)
    if (!isHere(dataplane)) throw noHolder(dataplane.name)
    return writeMessage((await local.config(dataplane, { shadow: options['shadow'] === true })) ?? null)
  })
  return {
    config: async (dataplane, options) => {
      if (isHere(dataplane)) return local.config(dataplane, options)
      const { type, mesh, name, labels } = dataplane
      const body = writeMessage({ dataplane: { type, mesh, name, labels }, options })
      return elsewhere(
        async () => {
          const answer: unknown = readMessage(await replicas.askHolder(proxyHolding(dataplane), { topic, body, limitMs }))
          // what `local.config` of the other replica gave
          return isObject(answer) ? (answer as Awaited<ReturnType<ProxyConfig['config']>>) : undefined
        },
        () => local.config(dataplane, options),
      )
    },
  }
}

/** The stream of the proxy itself, in its zone. */
export function proxyHolding({ mesh, name }: NamedDataplane): Holding {
  return `proxy/${mesh}/${name}`
}

/** The stream of the zone it lives in, at global. */
export function zoneHolding({ labels }: NamedDataplane): Holding {
  return `zone/${labels[labelKeys.zone] ?? ''}`
}

/** The answer of another replica; of this one when nobody else can. */
export async function elsewhere<T>(there: () => Promise<T>, here: () => Promise<T>): Promise<T> {
  try {
    return await there()
  } catch (error) {
    if (hasCode(error, 'replicas/no-holder') || hasCode(error, 'replicas/unreachable')) return here()
    throw error
  }
}

interface Question {
  readonly kind: unknown
  readonly dataplane: Resource
  readonly options: Readonly<Record<string, unknown>>
}

function read(body: Uint8Array): Question {
  const value: unknown = readMessage(body)
  if (!isObject(value) || !isObject(value['dataplane'])) throw new AppError('replicas/failed', 'the question cannot be read')
  const { dataplane, kind, options } = value
  // written by `writeMessage` of another replica of this control plane
  return { kind, dataplane: dataplane as unknown as Resource, options: isObject(options) ? options : {} }
}

/** Whoever asks has no stream either, so that a question goes no further than once. */
export function noHolder(name: string): AppError {
  return new AppError('replicas/no-holder', `this replica has no stream for ${name} either`)
}
