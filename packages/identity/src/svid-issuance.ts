// Certificates of connected proxies: one per proxy, issued when wanted, renewed at 80 % of its lifetime, kept over reconnects.
// A certificate of an authority that peers may not trust yet waits for the trust to spread, and for connections that began before to be made; the
// old one stays until then.
import { hasCode, messageOf, AppError } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import { defaultSvidLifetimeMs, issueSvid, type CertificateAuthority } from './certificates.ts'
import { generateKeyPair, type KeyPair } from './key-pair.ts'

/** The identity a proxy is to have: facts decide it. */
export interface WantedIdentity {
  /** KRI of the MeshIdentity. */
  readonly kri: string
  readonly spiffeId: string
}

/** What a proxy presents. Times are milliseconds since the epoch. */
export interface Svid extends WantedIdentity {
  readonly certificateChainPem: string
  readonly privateKeyPem: string
  readonly issuedAt: number
  readonly notBefore: number
  readonly notAfter: number
  /** Fingerprint of the issuing certificate. */
  readonly authority: string
}

/** Why a proxy has no certificate, or not yet its new one. */
export interface PendingSvid {
  readonly proxyKey: string
  readonly kri: string
  readonly reason: 'no-authority' | 'trust-not-spread' | 'queued' | 'failed'
}

/** An authority as issuance sees it. */
export interface IssuingAuthority {
  readonly kri: string
  readonly authority: CertificateAuthority
  readonly lifetimeMs: number
  /** Set while peers may not trust it: on the clock, when waiting for them ends. */
  readonly awaitsTrustUntil: number | undefined
}

export interface SvidIssuance {
  ensure(proxyKey: string, wanted: WantedIdentity | undefined): void
  current(proxyKey: string): Svid | undefined
  pending(): readonly PendingSvid[]
  /** Looks again at every proxy of an identity (all without a KRI): its authority or the spread of trust changed. */
  recheck(kri?: string): void
  /** Looks again at one proxy if it waits for trust to spread. */
  recheckProxy(proxyKey: string): void
  /** Resolves when nothing is being issued. */
  idle(): Promise<void>
  stop(): void
}

export interface SvidIssuanceOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly authorityOf: (kri: string) => IssuingAuthority | undefined
  readonly isTrustSpread: (kri: string, fingerprint: string) => boolean
  /** The proxy holds a certificate of an earlier life of this control plane. */
  readonly holdsCertificate: (proxyKey: string, kri: string) => boolean
  /** Called with every certificate that is issued or renewed, and with the one that was kept when its proxy comes back. */
  readonly onIssued: (proxyKey: string, svid: Svid) => void
  /** The authority of a KRI can no longer issue. */
  readonly onUnusableAuthority: (kri: string) => void
}

/** A certificate is renewed when this share of its lifetime is over. */
const renewAt = 0.8
/** With less than this share left, waiting for trust to spread ends. */
const urgentBelow = 0.1
/**
 * How long, as a share of its lifetime, a certificate of unknown age may serve on: it was renewed at 80 % as long as someone was there to
 * do it, so that twice this much is left at worst.
 */
const unknownAgeShare = 0.1
/**
 * A handshake that began before trust had spread knows the old roots only, and must not meet a new certificate. Envoy gives it up after the
 * cluster's connect timeout, 5 s unless a MeshTimeout says otherwise (contract/policies.md section 2).
 */
const handshakeMs = 5_000
/** How long key and certificate of a proxy that went are kept for its return. */
const retentionMs = 10 * 60_000
const retryMs = 5000
/** Signing shares the thread pool with everything else. */
const maxParallel = 4

interface ProxyState {
  readonly key: string
  wanted: WantedIdentity | undefined
  svid: Svid | undefined
  /** The certificate was told since the proxy came: what was told before it went is forgotten. */
  isTold: boolean
  keys: KeyPair | undefined
  timer: Timer | undefined
  waiting: PendingSvid['reason'] | undefined
  /** When it first had to wait for trust, on the clock. */
  waitsSince: number | undefined
  isQueued: boolean
}

export function createSvidIssuance(options: SvidIssuanceOptions): SvidIssuance {
  const { clock, log } = options
  const proxies = new Map<string, ProxyState>()
  const queue: ProxyState[] = []
  /** When trust in the newest authority was first seen to have spread, by KRI. */
  const spreads = new Map<string, { readonly fingerprint: string; readonly at: number }>()
  let running = 0
  let isStopped = false
  let idleWaiters: (() => void)[] = []

  const arm = (state: ProxyState, ms: number, run: () => void): void => {
    state.timer?.cancel()
    state.timer = clock.after(ms, () => {
      state.timer = undefined
      run()
    })
  }
  const enqueue = (state: ProxyState): void => {
    if (isStopped || state.isQueued) return
    state.isQueued = true
    queue.push(state)
    pump()
  }
  const pump = (): void => {
    while (running < maxParallel) {
      const state = queue.shift()
      if (!state) break
      state.isQueued = false
      running += 1
      void serve(state).finally(() => {
        running -= 1
        pump()
        if (running === 0 && queue.length === 0) for (const wake of idleWaiters.splice(0)) wake()
      })
    }
  }

  /** When certificates in use may be replaced by those of a new authority; undefined while trust in it has not spread. */
  const replaceableAt = (kri: string, fingerprint: string): number | undefined => {
    if (!options.isTrustSpread(kri, fingerprint)) return undefined
    let seen = spreads.get(kri)
    if (seen?.fingerprint !== fingerprint) {
      seen = { fingerprint, at: clock.now() }
      spreads.set(kri, seen)
    }
    return seen.at + handshakeMs
  }

  /** True when the proxy has to wait for trust in the authority; sets the timer that looks again. */
  const mustWait = (state: ProxyState, wanted: WantedIdentity, issuing: IssuingAuthority): boolean => {
    const until = issuing.awaitsTrustUntil
    if (until === undefined) return false
    const now = clock.now()
    const old = state.svid?.spiffeId === wanted.spiffeId && state.svid.kri === wanted.kri ? state.svid : undefined
    const holds = old !== undefined || options.holdsCertificate(state.key, wanted.kri)
    const replaceable = replaceableAt(wanted.kri, issuing.authority.fingerprint)
    if (replaceable !== undefined && !holds) return false
    let latest = until
    if (old) latest = old.notAfter - (old.notAfter - old.issuedAt) * urgentBelow
    else {
      state.waitsSince ??= now
      if (holds) latest = Math.max(until, state.waitsSince + (issuing.lifetimeMs || defaultSvidLifetimeMs) * unknownAgeShare)
    }
    const end = Math.min(latest, replaceable ?? latest)
    if (now >= end) return false
    arm(state, end - now, () => enqueue(state))
    return true
  }

  const isFresh = (svid: Svid | undefined, wanted: WantedIdentity, fingerprint: string): boolean =>
    svid !== undefined &&
    svid.kri === wanted.kri &&
    svid.spiffeId === wanted.spiffeId &&
    svid.authority === fingerprint &&
    clock.now() < renewalTime(svid)

  const tell = (state: ProxyState, svid: Svid): void => {
    state.isTold = true
    options.onIssued(state.key, svid)
  }

  const serve = async (state: ProxyState): Promise<void> => {
    const wanted = state.wanted
    if (!wanted || isStopped) return
    const issuing = options.authorityOf(wanted.kri)
    if (!issuing) {
      state.waiting = 'no-authority'
      return
    }
    if (isFresh(state.svid, wanted, issuing.authority.fingerprint)) {
      state.waiting = undefined
      armRenewal(state)
      if (!state.isTold && state.svid) tell(state, state.svid)
      return
    }
    if (mustWait(state, wanted, issuing)) {
      state.waiting = 'trust-not-spread'
      return
    }
    try {
      const svid = await issue(state, wanted, issuing)
      if (isStopped) return
      if (state.wanted?.kri !== wanted.kri || state.wanted.spiffeId !== wanted.spiffeId) {
        enqueue(state)
        return
      }
      state.svid = svid
      state.waiting = undefined
      state.waitsSince = undefined
      armRenewal(state)
      tell(state, svid)
    } catch (error) {
      state.waiting = 'failed'
      log.warn({ proxy: state.key, kri: wanted.kri, err: messageOf(error) }, 'certificate could not be issued')
      if (hasCode(error, 'identity/invalid-ca')) options.onUnusableAuthority(wanted.kri)
      if (!isStopped) arm(state, retryMs, () => enqueue(state))
    }
  }

  const issue = async (state: ProxyState, wanted: WantedIdentity, { authority, lifetimeMs }: IssuingAuthority): Promise<Svid> => {
    const now = clock.now()
    if (Date.parse(authority.certificate.validTo) - now < 60_000)
      throw new AppError('identity/invalid-ca', 'certificate authority has expired')
    const isRenewal = state.svid !== undefined && now >= renewalTime(state.svid)
    if (isRenewal || state.keys?.type !== authority.keys.type) state.keys = undefined
    const keys = (state.keys ??= await generateKeyPair(authority.keys.type))
    const issued = await issueSvid(authority, { spiffeId: wanted.spiffeId, lifetimeMs: lifetimeMs || defaultSvidLifetimeMs, now, keys })
    return { ...wanted, ...issued, issuedAt: now, authority: authority.fingerprint }
  }

  const armRenewal = (state: ProxyState): void => {
    // timers of the system end after 24 days: one that fires early finds the certificate fresh and is armed again
    if (state.svid) arm(state, renewalTime(state.svid) - clock.now(), () => enqueue(state))
  }

  return {
    ensure: (proxyKey, wanted) => {
      let state = proxies.get(proxyKey)
      if (!wanted) {
        if (!state?.wanted) return
        state.wanted = undefined
        state.waiting = undefined
        state.isTold = false
        arm(state, retentionMs, () => proxies.delete(proxyKey))
        return
      }
      if (!state) {
        state = {
          key: proxyKey,
          wanted: undefined,
          svid: undefined,
          isTold: false,
          keys: undefined,
          timer: undefined,
          waiting: undefined,
          waitsSince: undefined,
          isQueued: false,
        }
        proxies.set(proxyKey, state)
      }
      if (state.wanted?.kri === wanted.kri && state.wanted.spiffeId === wanted.spiffeId) return
      state.timer?.cancel()
      state.waitsSince = undefined
      state.wanted = wanted
      state.waiting = 'queued'
      enqueue(state)
    },
    current: (proxyKey) => {
      const state = proxies.get(proxyKey)
      const svid = state?.svid
      return svid && state.wanted?.kri === svid.kri && state.wanted.spiffeId === svid.spiffeId && clock.now() < svid.notAfter
        ? svid
        : undefined
    },
    pending: () =>
      [...proxies.values()].flatMap(({ key, wanted, waiting }) =>
        wanted && waiting ? [{ proxyKey: key, kri: wanted.kri, reason: waiting }] : [],
      ),
    recheck: (kri) => {
      for (const state of proxies.values()) if (state.wanted && (kri === undefined || state.wanted.kri === kri)) enqueue(state)
    },
    recheckProxy: (proxyKey) => {
      const state = proxies.get(proxyKey)
      if (state?.wanted && state.waiting === 'trust-not-spread') enqueue(state)
    },
    idle: () =>
      running === 0 && queue.length === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            idleWaiters = [...idleWaiters, resolve]
          }),
    stop: () => {
      isStopped = true
      queue.length = 0
      for (const state of proxies.values()) state.timer?.cancel()
      proxies.clear()
    },
  }
}

function renewalTime(svid: Svid): number {
  return svid.issuedAt + (svid.notAfter - svid.issuedAt) * renewAt
}
