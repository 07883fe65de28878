// A zone deletes most of a type by mistake; global is killed while it holds the deletions, and then an operator decides.
import { getJson, http, until } from '../../../apps/demo/src/rest.ts'
import { isObject } from '../canonical.ts'
import { type FaultKind, zoneNames } from '../fault.ts'
import { keyOf } from '../history.ts'
import { provide } from '../scripted-peer.ts'
import { admitted, peerFault, service } from './peer-fault.ts'

const count = 24
const kept = 3

let runs = 0

export const heldFaults: readonly FaultKind[] = [
  peerFault(
    'held deletions decided',
    async (stage, prefix) => {
      const { federation, history } = stage
      const zone = `${prefix}-${++runs}`
      const { api } = federation.plane('global')
      const names = Array.from({ length: count }, (_, n) => `hold-${runs}-${n}`)
      const resources = names.map((name) => service(name, { 'kuma.io/display-name': name }))
      const connect = async (lists: number) => {
        const peer = await admitted(federation, zone, { headers: { 'weft-store-id': `store-of-${zone}` } })
        return { peer, provider: provide(peer, (type) => (type === 'MeshService' ? resources.slice(0, lists) : [])) }
      }
      const here = async (): Promise<number> => {
        const list = await getJson(`${api}/meshservices?size=1000&filter[labels.kuma.io/zone]=${zone}`)
        return isObject(list) && typeof list['total'] === 'number' ? list['total'] : -1
      }
      const held = async (): Promise<readonly Record<string, unknown>[]> => {
        const list = await getJson(`${api}/_weft/held?origin=${zone}`)
        return isObject(list) && Array.isArray(list['items']) ? list['items'].filter(isObject) : []
      }
      const decide = async (verb: 'approve' | 'reject', which: object): Promise<number> => {
        const ask = () => http('POST', `${api}/_weft/held/${verb}`, { origin: zone, type: 'MeshService', ...which })
        let answer = await ask()
        // a connection that was kept from before the restart is no answer
        if (answer.status === 0) answer = await ask()
        if (answer.status !== 200) throw new Error(`held deletions: ${verb} was answered ${answer.status} ${answer.text}`)
        return Number((JSON.parse(answer.text) as { readonly count?: number }).count)
      }
      const first = await connect(count)
      await until('all are listed', async () => (await here()) === count, 120_000)
      await first.provider.respond('MeshService', { removedResources: resources.slice(1).map(({ name }) => name ?? '') })
      await until('the deletions are held', async () => (await held()).length === count - 1, 120_000)
      await first.peer[Symbol.asyncDispose]()

      await stage.restart('global', 0)
      if ((await held()).length !== count - 1 || (await here()) !== count)
        throw new Error(`held deletions: after a restart ${(await held()).length} are held and ${await here()} are there`)
      for (const { name } of (await held()).slice(0, kept)) await decide('reject', { name })
      const gone = (await held()).filter(({ state }) => state === 'held')
      if (gone.length !== count - 1 - kept) throw new Error(`held deletions: ${gone.length} still wait for a word`)
      // approved is evidence: every deletion the zone asked for may be seen everywhere from now on
      for (const name of names.slice(1))
        history.add({ kind: 'write', id: 0, place: zone, key: keyOf('MeshService', 'default', zone, name), value: undefined })
      let approved = 0
      for (const { name } of gone) approved += await decide('approve', { name })
      if (approved !== gone.length) throw new Error(`held deletions: approved ${approved} of ${gone.length}`)
      if ((await here()) !== 1 + kept) throw new Error(`held deletions: ${await here()} are there after the word was given`)

      // what was kept stays, although its zone never lists it again
      const second = await connect(1)
      await until('global subscribes', async () => second.provider.types.has('MeshService'), 120_000)
      await second.provider.respond('MeshService', { resources: resources.slice(0, 1) })
      if ((await here()) !== 1 + kept) throw new Error(`held deletions: ${await here()} are there after the zone came back`)
      await second.peer[Symbol.asyncDispose]()
    },
    { touches: ['global'], cutsOff: zoneNames },
  ),
]
