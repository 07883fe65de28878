// Notices when a proxy accepts mTLS: every listener of its snapshot that presents an identity is acknowledged as it is, and so is the
// certificate. Only then may clients be told to use mTLS towards it (contract/dataplane.md section 18.2: server first, client second).
import type { DeltaStream, ProxySnapshot } from '@weft/xds'

export interface TlsWatch {
  assigned(snapshot: ProxySnapshot): void
  acknowledged(): void
}

const identityPrefix = 'kri_mid_'

/** Calls `onAccepting` with the KRI of the MeshIdentity, once per identity. */
export function createTlsWatch(stream: Pick<DeltaStream, 'ackedVersion'>, onAccepting: (identityKri: string) => void): TlsWatch {
  let snapshot: ProxySnapshot | undefined
  let accepted: string | undefined

  const check = (): void => {
    if (!snapshot) return
    const identity = [...snapshot.secret.keys()].find((name) => name.startsWith(identityPrefix))
    if (identity === undefined || identity === accepted) return
    if (stream.ackedVersion('secret', identity) === undefined) return
    let presenting = 0
    for (const [name, cell] of snapshot.listener) {
      if (!cell.current?.needs?.secrets?.includes(identity)) continue
      presenting += 1
      if (stream.ackedVersion('listener', name) !== cell.current.version) return
    }
    if (presenting === 0) return
    accepted = identity
    onAccepting(identity)
  }
  return {
    assigned: (next) => {
      snapshot = next
      check()
    },
    acknowledged: check,
  }
}
