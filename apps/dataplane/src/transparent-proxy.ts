// How traffic of this host is redirected to the proxy: what a user says of it, and what the control plane has to know (contract/dataplane.md section 2.1).
import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { AppError, messageOf } from '@weft/foundation/errors'
import { field, isObject, listField, numberField, objectField, textField } from '@weft/foundation/json'

/** The part of a transparent proxy's configuration that goes to the control plane as it is. */
export interface TransparentProxyConfig {
  readonly ipFamilyMode: string
  readonly redirect: {
    readonly inbound: Redirection
    readonly outbound: Redirection
    readonly dns: Redirection
    readonly vnet: { readonly networks: readonly unknown[] }
  }
}

interface Redirection {
  readonly enabled: boolean
  readonly port: number
}

const defaults = { ipFamilyMode: 'dualstack', inbound: 15_006, outbound: 15_001, dns: 15_053 } as const

/**
 * Reads and merges files, later ones over earlier ones; `-` is standard input. Undefined when nothing was given and `withDefaults` is false.
 * Throws config/unreadable and config/invalid.
 */
export async function readTransparentProxy(files: readonly string[], withDefaults: boolean): Promise<TransparentProxyConfig | undefined> {
  if (files.length === 0 && !withDefaults) return undefined
  let merged: unknown = {}
  for (const file of files) merged = merge(merged, await readDocument(file))
  const redirect = objectField(merged, 'redirect')
  const direction = (name: 'inbound' | 'outbound' | 'dns', isOn: boolean): Redirection => {
    const given = objectField(redirect, name)
    const enabled = field(given, 'enabled')
    return { enabled: typeof enabled === 'boolean' ? enabled : isOn, port: portOf(given, name) }
  }
  return {
    ipFamilyMode: textField(merged, 'ipFamilyMode') || defaults.ipFamilyMode,
    redirect: {
      inbound: direction('inbound', true),
      outbound: direction('outbound', true),
      dns: direction('dns', false),
      vnet: { networks: listField(objectField(redirect, 'vnet'), 'networks') },
    },
  }
}

function portOf(given: unknown, name: 'inbound' | 'outbound' | 'dns'): number {
  if (field(given, 'port') === undefined) return defaults[name]
  const port = numberField(given, 'port')
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new AppError('config/invalid', `redirect.${name}.port of the transparent proxy must be a port`)
  return port
}

async function readDocument(file: string): Promise<unknown> {
  let text: string
  try {
    text = file === '-' ? await readInput() : await readFile(file, 'utf8')
  } catch (error) {
    throw new AppError('config/unreadable', `cannot read ${file}: ${messageOf(error)}`, { cause: error })
  }
  try {
    return parse(text, { maxAliasCount: 10 })
  } catch (error) {
    throw new AppError('config/invalid', `${file} is neither YAML nor JSON: ${messageOf(error)}`, { cause: error })
  }
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}

function merge(under: unknown, over: unknown): unknown {
  if (!isObject(under) || !isObject(over)) return over ?? under
  return { ...under, ...Object.fromEntries(Object.entries(over).map(([key, value]) => [key, merge(field(under, key), value)])) }
}
