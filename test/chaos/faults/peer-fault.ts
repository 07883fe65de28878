// What faults by scripted peers share: a name of their own, what admits them, and things to send.
import { until } from '../../../apps/demo/src/rest.ts'
import { jsonResource } from '../../../packages/kds/src/testing/raw-zone.ts'
import type { ChaosFederation } from '../federation.ts'
import { type Fault, type FaultKind, pause } from '../fault.ts'
import type { Random } from '../random.ts'
import { type ScriptedPeer, scriptedPeer, type ScriptedPeerOptions } from '../scripted-peer.ts'
import type { Stage } from '../stage.ts'

/** A fault by a peer that calls itself by a name of its own. */
export function peerFault(
  name: string,
  run: (stage: Stage, zone: string, random: Random) => Promise<void>,
  { touches = [], cutsOff = [] }: Partial<Pick<Fault, 'touches' | 'cutsOff'>> = {},
): FaultKind {
  const zone = `mallory-${name.replaceAll(/[^a-z0-9]+/g, '-')}`
  const runs = (random: Random) => async (stage: Stage) => {
    if (touches.includes('global')) return run(stage, zone, random)
    for (;;) {
      const global = stage.federation.plane('global')
      const { pid } = global
      try {
        return await run(stage, zone, random)
      } catch (error) {
        // another fault may end global under the peer, which proves nothing then: it comes again
        await pause(1_000)
        if (pid !== undefined && global.pid === pid) throw error
      }
    }
  }
  return { name, draw: (random): Fault => ({ name, touches: [zone, ...touches], cutsOff, run: runs(random) }) }
}

/** Waits until something holds, as long as a call goes on. */
export async function whileOpen(call: { readonly ended: Promise<unknown> }, what: string, ask: () => Promise<boolean>): Promise<void> {
  let isOver = false
  void call.ended.then(() => (isOver = true))
  await until(what, async () => {
    if (isOver) throw new Error(`${what}: the call ended before`)
    return ask()
  })
}

/** A peer that brings what admits it. Global may be away for a moment: other faults run at the same time. */
export async function admitted(
  federation: ChaosFederation,
  zone: string,
  more: Pick<ScriptedPeerOptions, 'id' | 'headers'> = {},
): Promise<ScriptedPeer> {
  let token = ''
  const ask = async (): Promise<boolean> => {
    token = await federation.token(zone).catch(() => '')
    return token !== ''
  }
  await until(`a token for ${zone}`, ask)
  return scriptedPeer({ port: federation.kdsPort, zone, ...more, headers: { authorization: `Bearer ${token}`, ...more.headers } })
}

/** What a scripted peer subscribes to. */
export const everyType = ['Mesh', 'MeshTimeout', 'MeshService', 'MeshIdentity', 'MeshTrust', 'Secret', 'Config', 'MeshTrafficPermission']

/** A MeshService that selects nothing. */
export const service = (name: string, labels: Readonly<Record<string, string>>): ReturnType<typeof jsonResource> =>
  jsonResource(
    'default',
    name,
    { selector: { dataplaneLabels: { matchLabels: { app: 'x' } } }, ports: [{ port: 80, appProtocol: 'http' }] },
    labels,
  )
