// What faults by scripted peers share: a name of their own, what admits them, and things to send.
import { until } from '../../../apps/demo/src/rest.ts'
import { jsonResource } from '../../../packages/kds/src/testing/raw-zone.ts'
import type { ChaosFederation } from '../federation.ts'
import type { Fault, FaultKind } from '../fault.ts'
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
  return { name, draw: (random): Fault => ({ name, touches: [zone, ...touches], cutsOff, run: (stage) => run(stage, zone, random) }) }
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
  await until(`a token for ${zone}`, ask, 15_000)
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
