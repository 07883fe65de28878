// Whether a new certificate authority may issue: all connected proxies here run a trust bundle with its root, and so do, as far as an own
// global says, those of the other zones (architecture.md section 7). Tells global in turn what is trusted here.
import type { TrustFact } from '@weft/facts'
import { systemNames } from '@weft/envoy'
import { fingerprintOf, parseCertificates } from '@weft/identity'
import { type KdsClient, trustedName } from '@weft/kds'
import type { MeshFacts } from '@weft/mesh'
import { parseKri } from '@weft/resources'
import type { DeltaStream } from '@weft/xds'
import { meshOfProxy, type ProxyStreams } from './proxy-streams.ts'

export interface TrustSpreadOptions {
  readonly streams: ProxyStreams
  readonly trust: MeshFacts['trust']
  /** Undefined for a standalone zone: then nobody else is waited for. */
  readonly client: () => Pick<KdsClient, 'isTrustedElsewhere' | 'reportTrusted'> | undefined
  /** Called when an identity (KRI) that had to wait may be looked at again. */
  readonly onAdvanced: (kri: string) => void
  /** Called when it is known what a proxy that connected holds. */
  readonly onProxy: (proxyKey: string) => void
}

export interface TrustSpread {
  /** The `trustSpread` option of the identity issuer. */
  isSpread(kri: string, fingerprint: string): boolean
  /** Told of every stream that is served. */
  onStream(proxyKey: string, stream: DeltaStream): void
  /** A proxy acknowledged secrets, or its stream is over. */
  progressed(proxyKey: string): void
  /** What global says may have changed. */
  advance(): void
  /** Follows trust from now on; returns what ends it. */
  start(): () => void
}

interface MeshSpread {
  /** Connected proxies that do not run the present bundle. */
  readonly behind: Set<string>
  /** Roots of the last bundle that all of them ran. */
  accepted: ReadonlySet<string>
}

export function createTrustSpread(options: TrustSpreadOptions): TrustSpread {
  const { streams, trust } = options
  const meshes = new Map<string, MeshSpread>()
  /** Streams whose proxy has not yet shown what it runs. */
  const fresh = new WeakSet<DeltaStream>()
  const spread = new Set<string>()
  /** Fingerprints that issuance was denied, by KRI. */
  const waiting = new Map<string, string>()
  let reported = ''

  const stateOf = (mesh: string): MeshSpread => {
    let state = meshes.get(mesh)
    if (!state) {
      state = { behind: new Set(), accepted: new Set() }
      meshes.set(mesh, state)
    }
    return state
  }
  const isBehind = (stream: DeltaStream | undefined): boolean =>
    stream !== undefined && !stream.closed && (fresh.has(stream) || stream.runs('secret', systemNames.trustBundle) === false)

  const settle = (mesh: string): void => {
    const state = stateOf(mesh)
    if (state.behind.size > 0) return
    state.accepted = rootsOf(trust.get(mesh))
    report()
    recheck()
  }
  const report = (): void => {
    const names = [...meshes].flatMap(([mesh, { accepted }]) => [...accepted].map((fingerprint) => trustedName(mesh, fingerprint))).sort()
    const text = names.join()
    if (text === reported) return
    reported = text
    options.client()?.reportTrusted(new Set(names))
  }
  const recheck = (): void => {
    for (const [kri, fingerprint] of waiting) if (isSpread(kri, fingerprint)) options.onAdvanced(kri)
  }
  const progressed = (proxyKey: string): void => {
    const mesh = meshOfProxy(proxyKey)
    const { behind } = stateOf(mesh)
    if (isBehind(streams.get(proxyKey))) behind.add(proxyKey)
    else if (behind.delete(proxyKey)) settle(mesh)
  }
  const isSpread = (kri: string, fingerprint: string): boolean => {
    const id = `${kri} ${fingerprint}`
    if (spread.has(id)) return true
    const mesh = parseKri(kri)?.mesh ?? ''
    const client = options.client()
    const isHere = stateOf(mesh).behind.size === 0 && rootsOf(trust.get(mesh)).has(fingerprint)
    const isEverywhere = isHere && (!client || client.isTrustedElsewhere(trustedName(mesh, fingerprint)))
    if (isEverywhere) {
      // what was true once stays: later proxies get the bundle before anything else
      spread.add(id)
      waiting.delete(kri)
    } else waiting.set(kri, fingerprint)
    return isEverywhere
  }

  return {
    isSpread,
    onStream: (proxyKey, stream) => {
      fresh.add(stream)
      stateOf(meshOfProxy(proxyKey)).behind.add(proxyKey)
      void stream.caughtUp().then(() => {
        fresh.delete(stream)
        progressed(proxyKey)
        options.onProxy(proxyKey)
      })
    },
    progressed,
    advance: recheck,
    start: () => {
      const follow = (mesh: string): void => {
        const state = stateOf(mesh)
        for (const [proxyKey, stream] of streams.ofMesh(mesh)) if (isBehind(stream)) state.behind.add(proxyKey)
        settle(mesh)
      }
      for (const [mesh] of trust.entries()) follow(mesh)
      return trust.onCommit((changes) => {
        for (const { key } of changes) follow(key)
      })
    },
  }
}

const known = new WeakMap<TrustFact, ReadonlySet<string>>()
const none: ReadonlySet<string> = new Set()

/** Fingerprints of the roots of all domains. */
function rootsOf(fact: TrustFact | undefined): ReadonlySet<string> {
  if (!fact) return none
  let roots = known.get(fact)
  if (!roots) {
    // one by one: a root that cannot be read hides no other
    const pems = fact.domains.flatMap((domain) => domain.pem.split(/(?<=-----END CERTIFICATE-----)/))
    roots = new Set(pems.flatMap((pem) => parseCertificates(pem).map(fingerprintOf)))
    known.set(fact, roots)
  }
  return roots
}
