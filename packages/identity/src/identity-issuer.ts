// Identities of a zone's proxies: keeps every MeshIdentity's authority and trust in order as the store changes, and gives each proxy the
// certificate its facts ask for. Private keys of proxies live in memory only.
import { hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { parseDuration, type Clock, type Timer } from '@weft/foundation/time'
import { nameKey, type Resource } from '@weft/resources'
import type { IdentityStore } from './identity-store.ts'
import { provideIdentity, type ProvidedAuthority } from './identity-provider.ts'
import { identityKri, specOf, type SpiffeSettings } from './spiffe.ts'
import { createSvidIssuance, type IssuingAuthority, type PendingSvid, type Svid, type WantedIdentity } from './svid-issuance.ts'

/** How long a proxy without a valid certificate waits for trust in a new authority to spread (architecture.md section 7). */
export const trustSpreadCapMs = 10_000

export interface IdentityIssuer {
  /** Takes up all stored identities; resolves when each was looked at once. */
  start(): Promise<void>
  stop(): Promise<void>
  /**
   * Says which identity a proxy is to have from now on; undefined for none. Key and certificate of a proxy that has none any more are kept
   * for ten minutes, so that one that returns presents the same.
   */
  ensure(proxyKey: string, identity: WantedIdentity | undefined): void
  /** The valid certificate for the identity a proxy is to have. */
  current(proxyKey: string): Svid | undefined
  /** Proxies without the certificate they should have, and why. */
  pending(): readonly PendingSvid[]
  /** To be called when what `trustSpread` answers may have changed. */
  trustAdvanced(kri?: string): void
  /** To be called when what `holdsCertificate` answers for a proxy may have changed. */
  proxyAdvanced(proxyKey: string): void
  /** To be called when `isTrustKnown` or `mayWrite` becomes true: looks again at every identity. */
  lookAgain(): void
  /** Resolves when no identity is being looked at and nothing is being issued. */
  idle(): Promise<void>
}

export interface IdentityIssuerOptions {
  readonly store: IdentityStore
  readonly clock: Clock
  readonly log: Logger
  readonly settings: SpiffeSettings
  /**
   * Called with every certificate that is issued or renewed, and with the one that was kept when its proxy comes back; in any order over
   * proxies.
   */
  readonly onIssued: (proxyKey: string, svid: Svid) => void
  /**
   * True when all who must have acknowledged trust in the authority (hex SHA-256 of its certificate) of a MeshIdentity. Asked only for an
   * authority that came up while this process runs; a proxy without a valid certificate waits at most 10 s. Default: always true.
   */
  readonly trustSpread?: (kri: string, fingerprint: string) => boolean
  /** False while MeshTrusts may still be on their way here: until then no authority is made. Default: always true. */
  readonly isTrustKnown?: () => boolean
  /** False while another process keeps authorities, trust and conditions in the store: certificates are issued by what it wrote. Default: always true. */
  readonly mayWrite?: () => boolean
  /** True when the proxy holds a certificate of this MeshIdentity that this process did not issue. Default: never. */
  readonly holdsCertificate?: (proxyKey: string, kri: string) => boolean
}

interface IdentityState {
  readonly key: string
  kri: string | undefined
  isRunning: boolean
  mustRunAgain: boolean
  failures: number
  timer: Timer | undefined
}

export function createIdentityIssuer(options: IdentityIssuerOptions): IdentityIssuer {
  const { store, clock, log } = options
  const identities = new Map<string, IdentityState>()
  const byKri = new Map<string, IssuingAuthority>()
  const work = new Set<Promise<void>>()
  let unwatch: (() => void) | undefined
  let isStopped = false

  const issuance = createSvidIssuance({
    clock,
    log,
    authorityOf: (kri) => byKri.get(kri),
    isTrustSpread: options.trustSpread ?? (() => true),
    holdsCertificate: options.holdsCertificate ?? (() => false),
    onIssued: options.onIssued,
    onUnusableAuthority: (kri) => {
      for (const state of identities.values()) if (state.kri === kri) look(state)
    },
  })

  const look = (state: IdentityState): void => {
    if (isStopped) return
    state.timer?.cancel()
    state.timer = undefined
    if (state.isRunning) {
      state.mustRunAgain = true
      return
    }
    state.isRunning = true
    const run = reconcile(state).finally(() => {
      state.isRunning = false
      work.delete(run)
      if (state.mustRunAgain) {
        state.mustRunAgain = false
        look(state)
      }
    })
    work.add(run)
  }

  const reconcile = async (state: IdentityState): Promise<void> => {
    const [mesh = '', name = ''] = state.key.split('/')
    const identity = store.get({ type: 'MeshIdentity', mesh, name })
    if (!identity) {
      forget(state)
      return
    }
    try {
      const provided = await provideIdentity(identity, {
        store,
        settings: options.settings,
        now: () => clock.now(),
        ...(options.isTrustKnown ? { isTrustKnown: options.isTrustKnown } : {}),
        ...(options.mayWrite ? { mayWrite: options.mayWrite } : {}),
      })
      state.failures = 0
      if (isStopped) return
      adopt(state, identity, provided)
      // a timer that the system ends early finds nothing to do and is set again
      if (provided?.lookAgainAt !== undefined) state.timer = clock.after(provided.lookAgainAt - clock.now(), () => look(state))
    } catch (error) {
      state.failures += 1
      const isRace = hasCode(error, 'store/conflict') || hasCode(error, 'store/already-exists')
      if (isRace && state.failures < 5) {
        state.mustRunAgain = true
        return
      }
      log.warn({ mesh, name, err: messageOf(error) }, 'identity could not be provided')
      const delay = Math.min(30_000, 1000 * 2 ** Math.min(state.failures, 5))
      state.timer = clock.after(delay, () => look(state))
    }
  }

  const adopt = (state: IdentityState, identity: Resource, provided: ProvidedAuthority | undefined): void => {
    const kri = identityKri('mid', identity)
    if (state.kri !== undefined && state.kri !== kri) byKri.delete(state.kri)
    state.kri = kri
    // an identity that became invalid keeps its last good authority: what runs goes on
    if (!provided) {
      if (specOf(identity).provider?.type !== 'Bundled') byKri.delete(kri)
      return
    }
    const previous = byKri.get(kri)
    const isSame = previous?.authority.fingerprint === provided.authority.fingerprint
    const isNew = provided.isNewToTrust || (previous !== undefined && !isSame)
    const next: IssuingAuthority = {
      kri,
      authority: provided.authority,
      lifetimeMs: lifetimeOf(identity),
      awaitsTrustUntil: isSame ? previous.awaitsTrustUntil : isNew ? clock.now() + trustSpreadCapMs : undefined,
    }
    byKri.set(kri, next)
    if (!isSame) {
      log.info(
        { mesh: identity.mesh, name: identity.name, kri, fingerprint: provided.authority.fingerprint },
        'certificate authority in use',
      )
      issuance.recheck(kri)
    }
  }

  const forget = (state: IdentityState): void => {
    if (state.kri !== undefined) byKri.delete(state.kri)
    state.timer?.cancel()
    identities.delete(state.key)
  }

  const lookAt = (mesh: string, name: string): void => {
    const key = nameKey({ mesh, name })
    let state = identities.get(key)
    if (!state) {
      state = { key, kri: undefined, isRunning: false, mustRunAgain: false, failures: 0, timer: undefined }
      identities.set(key, state)
    }
    look(state)
  }

  return {
    start: async () => {
      const from = store.seq
      for (const identity of store.list('MeshIdentity')) lookAt(identity.mesh, identity.name)
      unwatch = store.watch(from, (changes) => {
        const meshes = new Set<string>()
        for (const { key } of changes) {
          if (key.type === 'MeshIdentity') lookAt(key.mesh, key.name)
          else if (key.type === 'Secret' || key.type === 'MeshTrust') meshes.add(key.mesh)
        }
        for (const mesh of meshes) for (const identity of store.list('MeshIdentity', mesh)) lookAt(mesh, identity.name)
      })
      await Promise.all(work)
    },
    stop: async () => {
      isStopped = true
      unwatch?.()
      for (const state of identities.values()) state.timer?.cancel()
      issuance.stop()
      await Promise.allSettled(work)
    },
    ensure: (proxyKey, identity) => issuance.ensure(proxyKey, identity),
    current: (proxyKey) => issuance.current(proxyKey),
    pending: () => issuance.pending(),
    trustAdvanced: (kri) => issuance.recheck(kri),
    proxyAdvanced: (proxyKey) => issuance.recheckProxy(proxyKey),
    lookAgain: () => {
      for (const state of identities.values()) look(state)
    },
    idle: async () => {
      while (work.size > 0) await Promise.allSettled(work)
      await issuance.idle()
    },
  }
}

function lifetimeOf(identity: Resource): number {
  const expiry = specOf(identity).provider?.bundled?.certificateParameters?.expiry
  const parsed = typeof expiry === 'string' ? parseDuration(expiry) : undefined
  return parsed !== undefined && parsed > 0 ? parsed : 0
}
