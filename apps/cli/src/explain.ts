// weft explain: why a dataplane is configured as it is, in words and tables.
import { asRecord, type Connection } from './connection.ts'
import { type Format, serialise, table } from './output.ts'

export interface ExplainOptions {
  readonly name: string
  readonly mesh: string
  readonly policy?: string
  readonly to?: string
  readonly at?: string
  readonly format: Format
}

type Fields = Readonly<Record<string, unknown>>

/** Asks the control plane and prints the answer. */
export async function explainDataplane(connection: Connection, options: ExplainOptions, print: (text: string) => void): Promise<void> {
  const query = new URLSearchParams()
  for (const key of ['policy', 'to', 'at'] as const) if (options[key]) query.set(key, options[key])
  const path = `/meshes/${encodeURIComponent(options.mesh)}/dataplanes/${encodeURIComponent(options.name)}/_explain?${query.toString()}`
  const answer = asRecord(await connection.json('GET', path))
  if (options.format !== 'table') return print(serialise(answer, options.format))
  const dataplane = asRecord(answer['dataplane'])
  print(`dataplane ${text(dataplane['name'])} in zone ${text(dataplane['zone'])}, identity ${text(dataplane['spiffeId']) || 'none'}`)
  for (const policy of records(answer['policies'])) printPolicy(policy, print)
  if (options.to === undefined) return
  const destinations = records(answer['destinations'])
  if (destinations.length === 0) print(`\nno destination of the mesh is called ${options.to}`)
  for (const destination of destinations) printDestination(destination, print)
}

function printPolicy(policy: Fields, print: (text: string) => void): void {
  print(`\n${text(policy['kind'])}`)
  const selected = records(policy['selected'])
  if (selected.length === 0) print('  no policy selects this dataplane')
  else
    print(
      indent(
        table(
          ['ORDER', 'POLICY', 'ROLE', 'ORIGIN', 'TARGET', 'SECTIONS'],
          selected.map((each) => [
            text(each['order']),
            text(each['name']),
            text(each['role']),
            text(each['origin']),
            JSON.stringify(each['targetRef']),
            list(each['sections']).join(', ') || 'all',
          ]),
        ),
      ),
    )
  for (const each of selected) {
    const rejected = asRecord(each['rejected'])
    if (rejected['message'] !== undefined)
      print(`  Envoy refuses ${text(each['name'])}: ${text(rejected['message'])}; the proxy runs ${text(rejected['running'])}`)
    const heldBack = asRecord(each['heldBack'])
    if (heldBack['message'] !== undefined) print(`  ${text(heldBack['reason'])}: ${text(each['name'])}: ${text(heldBack['message'])}`)
  }
  printFields('whole proxy', records(policy['proxy']), print)
  for (const inbound of records(policy['inbounds']))
    for (const rule of records(inbound['rules']))
      print(
        `  inbound ${text(inbound['section'])}${rule['match'] === undefined ? '' : ` when ${JSON.stringify(rule['match'])}`}: ${JSON.stringify(rule['conf'])}  (${text(rule['from'])})`,
      )
  for (const to of records(policy['to'])) printFields(`to ${text(to['destination'])}`, records(to['fields']), print)
  for (const each of records(policy['notSelected'])) print(`  not ${text(each['name'])}: ${text(each['message'])}`)
}

function printFields(title: string, fields: readonly Fields[], print: (text: string) => void): void {
  if (fields.length === 0) return
  print(`  ${title}`)
  const rows = fields.map((each) => [
    text(each['path']),
    JSON.stringify(each['value']),
    list(each['from']).join(', '),
    list(each['overridden']).join(', '),
  ])
  print(indent(table(['FIELD', 'VALUE', 'FROM', 'INSTEAD OF'], rows), 4))
}

function printDestination(destination: Fields, print: (text: string) => void): void {
  print(
    `\ndestination ${text(destination['kri'])}: ${text(destination['kind'])} port ${text(destination['port'])} ${text(destination['protocol'])}`,
  )
  if (destination['reachable'] !== true) print(`  not reachable: ${text(destination['message'])}`)
  const hostnames = list(destination['hostnames'])
  if (hostnames.length > 0) print(`  host names: ${hostnames.join(', ')}`)
  const endpoints = records(destination['endpoints'])
  if (endpoints.length === 0) print('  no endpoints')
  else
    print(
      indent(
        table(
          ['ENDPOINT', 'ZONE', 'PRIORITY', 'WEIGHT', 'HEALTH', 'WHY'],
          endpoints.map((each) => [
            `${text(each['address'])}:${text(each['port'])}`,
            text(each['zone']),
            text(each['priority']),
            text(each['weight']),
            text(each['health']),
            text(each['message']),
          ]),
        ),
      ),
    )
  for (const each of records(destination['leftOut'])) print(`  left out ${text(each['what'])}: ${text(each['message'])}`)
  for (const each of records(destination['permission'])) {
    const where = each['dataplane'] === undefined ? '' : ` at ${text(each['dataplane'])}/${text(each['section'])}`
    const verdict = each['allowed'] === undefined ? 'unknown' : each['allowed'] === true ? 'allowed' : 'denied'
    const shadow = each['shadowDeniedBy'] === undefined ? '' : `; ${text(each['shadowDeniedBy'])} reports a denial`
    print(`  call ${verdict} in zone ${text(each['zone'])}${where}: ${text(each['message'])}${shadow}`)
  }
}

function indent(block: string, by = 2): string {
  return block
    .split('\n')
    .map((line) => (line === '' ? line : ' '.repeat(by) + line))
    .join('\n')
}

function list(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : []
}

function records(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(asRecord) : []
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}
