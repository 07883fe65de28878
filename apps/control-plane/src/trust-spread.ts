// Whether a new certificate authority may issue: all connected proxies here run a trust bundle with its root, and so do, as far as an own
// global says, those of the other zones (architecture.md section 7). Tells global in turn what is trusted here.
import type { TrustFact } from '@weft/facts'
import { systemNames } from '@weft/envoy'
import { fingerprintOf, parseCertificates } from '@weft/identity'
import { type KdsClient, trustedName } from '@weft/kds'
import type { MeshFacts } from '@weft/mesh'
import { parseKri } from '@weft/resources'
import { meshOfProxy, type ProxyStream, type ProxyStreams } from './proxy-streams.ts'

export interface TrustSpreadOptions {
  readonly streams: ProxyStreams
  readonly trust: MeshFacts['trust']
  /** Undefined for a standalone zone: then nobody else is waited for. */
  readonly client: () => Pick<KdsClient, 'isTrustedElsewhere' | 'reportTrusted'> | undefined
  /** True while proxies of a mesh that are not connected are on their way back: they are waited for too. */
  readonly areComingBack: (mesh: string) => boolean
  /** Called when an identity (KRI) that had to wait may be looked at again. */
  readonly onAdvanced: (kri: string) => void
  /** Called when it is known what a proxy that connected holds. */
  readonly onProxy: (proxyKey: string) => void
}

export interface TrustSpread {
  /** The `trustSpread` option of the identity issuer. */
  isSpread(kri: string, fingerprint: string): boolean
  /** A proxy is about to be served; to be told before anything else hears of it. */
  registered(proxyKey: string): void
  /** It is gone. */
  gone(proxyKey: string): void
  /** Told of every stream that is served. */
  onStream(proxyKey: string, stream: ProxyStream): void
  /** A proxy acknowledged secrets, or its stream is over. */
  progressed(proxyKey: string): void
  /** What global says, or who is coming back, may have changed. */
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
  const fresh = new WeakSet<ProxyStream>()
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
  const isBehind = (stream: ProxyStream | undefined): boolean =>
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
    const isHere = stateOf(mesh).behind.size === 0 && !options.areComingBack(mesh) && rootsOf(trust.get(mesh)).has(fingerprint)
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
    registered: (proxyKey) => void stateOf(meshOfProxy(proxyKey)).behind.add(proxyKey),
    gone: (proxyKey) => {
      const mesh = meshOfProxy(proxyKey)
      if (stateOf(mesh).behind.delete(proxyKey)) settle(mesh)
    },
    onStream: (proxyKey, stream) => {
      fresh.add(stream)
      stateOf(meshOfProxy(proxyKey)).behind.add(proxyKey)
      void shown(stream).then(() => {
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

/** A proxy that is new holds nothing; one that was served before says what it holds, and gets what it lacks. */
async function shown(stream: ProxyStream): Promise<void> {
  await stream.asked()
  if (stream.resumed) await stream.caughtUp()
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
