// Envoy resources that people write as YAML: read once, strictly, within limits.
import { AppError, messageOf } from '@weft/foundation/errors'
import { isObject } from '@weft/foundation/json'
import { codec, type MessageName, type Messages } from '@weft/proto'
import { isRegex, parseYamlDocuments } from '@weft/resources'

/** Parts of the configuration that can be modified, with the message that a value is. */
export const nativeTypes = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  listener: 'envoy.config.listener.v3.Listener',
  networkFilter: 'envoy.config.listener.v3.Filter',
  httpFilter: 'envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter',
  virtualHost: 'envoy.config.route.v3.VirtualHost',
} as const satisfies Readonly<Record<string, MessageName>>

/** A part of the configuration that can be modified. */
export type NativePart = keyof typeof nativeTypes

/** Most bytes of a value: more than any resource of ours has. */
const maxBytes = 256 * 1024

/** Reads a value. Throws `resource/undecodable` when it is no YAML, no such message, too large, or holds an expression that proxies cannot take. */
export function readNative<P extends NativePart>(part: P, text: string): Messages[(typeof nativeTypes)[P]] {
  const documents = parseYamlDocuments(text, { maxBytes })
  if (documents.length !== 1) throw new AppError('resource/undecodable', 'expected one YAML document')
  const json = documents[0]?.value
  const wrong = wrongRegex(json)
  if (wrong !== undefined) throw new AppError('resource/undecodable', wrongRegexText(wrong))
  return codec(nativeTypes[part]).fromJson(json)
}

/** Why a value cannot be read; undefined when it can. */
export function nativeProblem(part: NativePart, text: string): string | undefined {
  try {
    readNative(part, text)
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

/** What an expression that proxies cannot take is told. */
export function wrongRegexText(regex: string): string {
  return `not a regular expression that proxies take (RE2, at most 4096 characters): ${JSON.stringify(regex.slice(0, 80))}`
}

/** The first member called `regex` below a value that is no expression in the grammar of Envoy. */
export function wrongRegex(value: unknown): string | undefined {
  const entries: readonly (readonly [string, unknown])[] = Array.isArray(value)
    ? value.map((item: unknown) => ['', item] as const)
    : isObject(value)
      ? Object.entries(value)
      : []
  for (const [key, item] of entries) {
    if (key === 'regex' && typeof item === 'string' && !isRegex(item)) return item
    const inner = wrongRegex(item)
    if (inner !== undefined) return inner
  }
  return undefined
}
