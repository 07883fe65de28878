// Copies that are not what their origin wrote: lost updates that only digests find, and a store that somebody edits on disk.
import { getJson, until } from '../../../apps/demo/src/rest.ts'
import { createDigest, digestPart, digestsType } from '../../../packages/kds/src/digest.ts'
import { isObject } from '../canonical.ts'
import { type Fault, type FaultKind } from '../fault.ts'
import { keyOf } from '../history.ts'
import { provide } from '../scripted-peer.ts'
import type { Stage } from '../stage.ts'
import { editStore } from '../store-log.ts'
import { admitted, peerFault, service } from './peer-fault.ts'

type Sent = ReturnType<typeof service>

/** Label that an editor of a store's file leaves. */
const alteredLabel = 'chaos.test/altered'

let runs = 0

const nameOf = ({ name = '' }: Sent): string => name
const displayOf = (sent: Sent): string => nameOf(sent).replace(/\.default$/, '')

/** What global should hold of this. */
function digestOf(resources: readonly Sent[]): string {
  const digest = createDigest()
  for (const { name = '', version = '' } of resources) digest.add(digestPart(name, version))
  return digest.text()
}

export const copyFaults: readonly FaultKind[] = [
  peerFault(
    'digest drift',
    async ({ federation, history }, prefix) => {
      const zone = `${prefix}-${++runs}`
      const { api } = federation.plane('global')
      await using peer = await admitted(federation, zone, { headers: { 'weft-store-id': `store-of-${zone}` } })
      const made = (name: string, generation: string): Sent => ({
        ...service(name, { 'kuma.io/display-name': name, generation }),
        version: `${name}-${generation}`,
      })
      const told = ['same', 'other', 'gone'].map((name) => made(`drift-${runs}-${name}`, '1'))
      const truth = [made(`drift-${runs}-same`, '1'), made(`drift-${runs}-other`, '2'), made(`drift-${runs}-new`, '1')]
      const provider = provide(peer, (type) => (type === 'MeshService' ? told : []))
      const held = async (): Promise<readonly string[]> => {
        const list = await getJson(`${api}/meshservices?size=1000&filter[labels.kuma.io/zone]=${zone}`)
        const items = isObject(list) && Array.isArray(list['items']) ? list['items'].filter(isObject) : []
        return items
          .map(({ labels }) => (isObject(labels) ? `${String(labels['kuma.io/display-name'])} ${String(labels['generation'])}` : ''))
          .sort()
      }
      const holds = (what: readonly Sent[]) => async (): Promise<boolean> => {
        const wanted = what.map(({ version = '' }) => version.replace(/-(\d)$/, ' $1')).sort()
        return (await held()).join() === wanted.join()
      }
      const drifts = async (): Promise<number> => {
        const status = await getJson(`${api}/_weft/sync/${zone}`)
        const receiving = isObject(status) && isObject(status['receiving']) ? status['receiving'] : {}
        const types = Array.isArray(receiving['types']) ? receiving['types'].filter(isObject) : []
        return Number(types.find(({ type }) => type === 'MeshService')?.['drifts'] ?? 0)
      }
      const tellDigest = (resources: readonly Sent[]): void =>
        void provider.respond(digestsType, {
          resources: [{ name: 'MeshService', version: digestOf(resources), resource: { typeUrl: '', value: new Uint8Array(0) } }],
        })
      await until('global holds what it was told', holds(told), 120_000)
      tellDigest(told)
      // one was changed, one deleted and one made without a word of it reaching global
      for (const gone of told.slice(2))
        history.add({ kind: 'write', id: 0, place: zone, key: keyOf('MeshService', 'default', zone, displayOf(gone)), value: undefined })
      tellDigest(truth)
      await until('global asks again', async () => provider.asked.length > 0, 120_000)
      const asked = provider.asked[0]
      const has = Object.fromEntries(told.map(({ name = '', version = '' }) => [name, version]))
      if (asked?.type !== 'MeshService' || !sameEntries(asked.versions, has))
        throw new Error(`digest drift: asked for ${JSON.stringify(asked)} although it holds ${JSON.stringify(has)}`)
      await provider.respond('MeshService', { resources: truth.slice(1), removedResources: told.slice(2).map(nameOf) })
      await until('global holds the truth', holds(truth), 120_000)
      tellDigest(truth)
      // answered after the digest was looked at
      await provider.respond('MeshService', { resources: truth.slice(0, 1) })
      if (provider.asked.length !== 1 || (await drifts()) !== 1)
        throw new Error(`digest drift: asked ${provider.asked.length} times, shown are ${await drifts()}`)
      for (const sent of truth)
        history.add({ kind: 'write', id: 0, place: zone, key: keyOf('MeshService', 'default', zone, displayOf(sent)), value: undefined })
      await provider.respond('MeshService', { removedResources: truth.map(nameOf) })
    },
    { touches: ['global'] },
  ),
  {
    name: 'altered copies',
    draw: (): Fault => ({
      name: 'copies in the store of east altered on disk',
      touches: ['east', 'link east', 'global'],
      cutsOff: ['east'],
      run: alterCopies,
    }),
  },
]

function sameEntries(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const text = (of: Readonly<Record<string, string>>): string => JSON.stringify(Object.entries(of).sort())
  return text(a) === text(b)
}

async function alterCopies(stage: Stage): Promise<void> {
  const { api, workFolder } = stage.federation.plane('east')
  let altered = 0
  await stage.restart('east', 0, () => {
    altered = editStore(
      workFolder,
      `UPDATE resources SET labels = json_set(labels, '$."${alteredLabel}"', 'yes')
       WHERE json_extract(labels, '$."kuma.io/origin"') = 'global' AND type IN ('MeshTimeout', 'MeshTrafficPermission', 'MeshService')`,
    )
  })
  if (altered === 0) throw new Error('altered copies: nothing was there to alter')
  /** Undefined when there was no answer. */
  const named = async (path: string): Promise<readonly string[] | undefined> => {
    const list = await getJson(`${api}/${path}`)
    if (!isObject(list) || !Array.isArray(list['items'])) return undefined
    return list['items'].filter(isObject).map(({ type, mesh, name }) => `${String(type)}/${String(mesh)}/${String(name)}`)
  }
  const left = (path: string): Promise<readonly string[] | undefined> => named(`${path}?size=1000&filter[labels.${alteredLabel}]=yes`)
  await until(
    'what was altered is repaired',
    async () => {
      const altered = await Promise.all(['meshtimeouts', 'meshtrafficpermissions', 'meshservices'].map(left))
      // global has no other value for a copy whose deletion waits for someone's word
      const held = new Set(await named('_weft/held'))
      return altered.every((names) => names?.every((name) => held.has(name)) === true)
    },
    120_000,
  )
}
