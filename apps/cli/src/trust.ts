// weft trust: which trust domains there are, whose trust reaches the others, and carrying trust by hand where no global of ours does it.
import { AppError } from '@weft/foundation/errors'
import { asRecord, listOf, type Connection, refusal } from './connection.ts'
import { readDocuments } from './documents.ts'
import { type Format, serialise, table } from './output.ts'

type Print = (text: string) => void

const path = '/_weft/trust'

/** Shows every MeshTrust with its zone, state and roots. */
export async function trustStatus(
  connection: Connection,
  { mesh, format }: { readonly mesh: string | undefined; readonly format: Format },
  print: Print,
): Promise<void> {
  const answer = asRecord(await connection.json('GET', path))
  const items = listOf(answer['items']).filter((item) => mesh === undefined || item['mesh'] === mesh)
  if (format !== 'table') return print(serialise({ ...answer, total: items.length, items }, format))
  if (items.length === 0) return print('no trust')
  print(
    table(
      ['MESH', 'TRUST DOMAIN', 'ZONE', 'STATE', 'ROOTS', 'FIRST EXPIRES', 'NAME'],
      items.map((item) => {
        const roots = listOf(item['roots'])
        const expiry = roots.map((root) => String(root['notAfter'] ?? '')).sort()[0] ?? ''
        const state = item['state'] ?? (item['managedBy'] === 'trust-federation' ? 'shared by global' : '')
        return [item['mesh'], item['trustDomain'], item['zone'], state, roots.length, expiry, item['displayName']].map((cell) =>
          String(cell ?? ''),
        )
      }),
    ),
  )
}

export interface ApprovalOptions {
  readonly mesh: string
  readonly trustDomain: string
  /** Undefined: every zone that has the domain. */
  readonly zones: readonly string[] | undefined
  readonly revoke: boolean
}

/** Lets zones speak for a domain that is not theirs alone, or takes it back. */
export async function approveTrust(
  connection: Connection,
  { mesh, trustDomain, zones, revoke }: ApprovalOptions,
  print: Print,
): Promise<void> {
  const query = new URLSearchParams([['mesh', mesh], ['trustDomain', trustDomain], ...(zones ?? []).map((zone) => ['zone', zone])])
  const answer = asRecord(
    await (revoke
      ? connection.json('DELETE', `${path}/approvals?${query.toString()}`)
      : connection.json('POST', `${path}/approvals`, { mesh, trustDomain, ...(zones ? { zones } : {}) })),
  )
  const named = Array.isArray(answer['zones']) ? answer['zones'].join(', ') : ''
  print(`${revoke ? 'approval taken back' : 'approved'}: ${trustDomain} in mesh ${mesh} for ${named}`)
}

/** Prints the MeshTrusts that a zone made itself, as documents for `weft trust apply` elsewhere. Works with any zone control plane. */
export async function exportTrust(connection: Connection, mesh: string | undefined, print: Print): Promise<void> {
  const { zone } = await placeOf(connection)
  if (zone === undefined)
    throw new AppError('cli/usage', `${connection.address} is a global control plane: export trust from the zone that has it`)
  const items = await connection.items(mesh === undefined ? '/meshtrusts' : `/meshes/${encodeURIComponent(mesh)}/meshtrusts`)
  const own = items.filter((item) => {
    const labels = asRecord(item['labels'])
    return (labels[originLabel] ?? 'zone') === 'zone' && (labels[zoneLabel] ?? zone) === zone && labels[sourceLabel] === undefined
  })
  if (own.length === 0) throw new AppError('api/not-found', `zone ${zone} has no MeshTrust of its own`)
  const documents = own.map(({ mesh: of, name, spec }) => ({
    type: 'MeshTrust',
    mesh: of,
    name: `trust-of-${zone}-${String(name)}`.slice(0, maxName),
    labels: { [sourceLabel]: zone },
    spec,
  }))
  print(documents.map((document) => `---\n${serialise(document, 'yaml').trimEnd()}`).join('\n'))
}

/** Puts exported trust into a zone, or into a global that hands it to its zones. A zone never takes in a domain that it has itself. */
export async function applyTrust(connection: Connection, file: string, print: Print): Promise<void> {
  const documents = readDocuments(file, new Map())
  if (documents.length === 0) throw new AppError('cli/usage', `${file}: no MeshTrust in it`)
  for (const { source, value } of documents)
    if (value['type'] !== 'MeshTrust' || typeof value['mesh'] !== 'string' || typeof value['name'] !== 'string')
      throw new AppError('resource/invalid', `${source}: not a MeshTrust with mesh and name`)
  const { zone } = await placeOf(connection)
  const target = zone === undefined ? { [originLabel]: 'global' } : { [originLabel]: 'zone', [zoneLabel]: zone }
  for (const { value } of documents) {
    const labels = asRecord(value['labels'])
    const what = `MeshTrust ${String(value['mesh'])}/${String(value['name'])}`
    if (zone !== undefined && labels[sourceLabel] === zone) {
      print(`${what} skipped: it is this zone's own`)
      continue
    }
    const url = `/meshes/${encodeURIComponent(String(value['mesh']))}/meshtrusts/${encodeURIComponent(String(value['name']))}`
    const answer = await connection.send('PUT', url, { ...value, labels: { ...labels, ...target } })
    if (answer.status >= 300) {
      const error = refusal(answer)
      throw new AppError(error.code, `${what}: ${error.message}`, { violations: error.violations })
    }
    print(`${what} ${answer.status === 201 ? 'created' : 'updated'}`)
  }
}

const originLabel = 'kuma.io/origin'
const zoneLabel = 'kuma.io/zone'
/** On trust that was carried by hand: the zone it is of. */
const sourceLabel = 'weft.io/trust-of-zone'
const maxName = 200

/** The zone a control plane is of; undefined for a global. */
async function placeOf(connection: Connection): Promise<{ readonly zone: string | undefined }> {
  const config = asRecord(await connection.json('GET', '/config'))
  if (config['mode'] === 'global') return { zone: undefined }
  const { name } = asRecord(asRecord(config['multizone'])['zone'])
  return { zone: typeof name === 'string' && name !== '' ? name : 'default' }
}
