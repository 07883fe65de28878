// The Dataplane resource that a user hands over: YAML or JSON with {{ variables }}, sent on as JSON.
import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { AppError, messageOf } from '@weft/foundation/errors'
import { listField, numberField, objectField } from '@weft/foundation/json'

export interface DataplaneInput {
  readonly dataplaneFile: string | undefined
  readonly dataplane: string | undefined
  readonly variables: ReadonlyMap<string, string>
}

export interface GivenDataplane {
  readonly mesh: string | undefined
  readonly name: string | undefined
  readonly json: string
  /** It passes on traffic of zones and nothing else. */
  readonly isZoneProxy: boolean
  /** The resource itself says that outbound traffic and queries are redirected, as those of older launchers do. */
  readonly redirectsDns: boolean
}

/** Undefined when no resource was given: then the zone must know the dataplane. */
export async function readDataplane(input: DataplaneInput): Promise<GivenDataplane | undefined> {
  const text = input.dataplane ?? (input.dataplaneFile ? await readInput(input.dataplaneFile) : undefined)
  if (text === undefined) return undefined
  const filled = fillVariables(text, input.variables)
  let value: unknown
  try {
    value = parse(filled, { maxAliasCount: 10 })
  } catch (error) {
    throw new AppError('resource/undecodable', `the Dataplane resource is neither YAML nor JSON: ${messageOf(error)}`, { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new AppError('resource/undecodable', 'the Dataplane resource is not an object')
  const field = (name: string): string | undefined => {
    const found: unknown = Object.entries(value).find(([key]) => key === name)?.[1]
    return typeof found === 'string' ? found : undefined
  }
  if (field('type') !== 'Dataplane')
    throw new AppError('resource/invalid', `the resource has type ${field('type') ?? '(none)'}, not Dataplane`)
  return { mesh: field('mesh'), name: field('name'), json: JSON.stringify(value), ...networkingOf(value) }
}

function networkingOf(resource: unknown): Pick<GivenDataplane, 'isZoneProxy' | 'redirectsDns'> {
  const networking = objectField(resource, 'networking')
  const redirect = objectField(networking, 'transparentProxying')
  const serves = ['inbound', 'outbound'].some((side) => listField(networking, side).length > 0) || networking?.['gateway'] !== undefined
  return {
    isZoneProxy: listField(networking, 'listeners').length > 0 && !serves && redirect === undefined,
    redirectsDns: numberField(redirect, 'redirectPortOutbound') > 0,
  }
}

/** Replaces `{{ name }}`; a variable without a value is an error that names it. */
export function fillVariables(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\{\{\s*([\w.-]+)\s*\}\}/g, (_, name: string) => {
    const value = variables.get(name)
    if (value === undefined)
      throw new AppError('cli/usage', `the Dataplane resource uses {{ ${name} }}: give it with --dataplane-var ${name}=...`)
    return value
  })
}

async function readInput(path: string): Promise<string> {
  if (path !== '-') {
    try {
      return await readFile(path, 'utf8')
    } catch (error) {
      throw new AppError('config/unreadable', `cannot read ${path}: ${messageOf(error)}`, { cause: error })
    }
  }
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}
