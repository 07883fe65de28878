// What a zone needs to come back: recovery of its proxies and the spread of trust in its authorities, connected to the store, to global and to
// the streams of its proxies.
import type { ApiRoute } from '@weft/api'
import { isOwnName, systemNames } from '@weft/envoy'
import type { Component } from '@weft/foundation/lifecycle'
import type { IdentityIssuer, IdentityIssuerOptions } from '@weft/identity'
import type { KdsClient } from '@weft/kds'
import { isSentToZones } from '@weft/resources'
import type { DeltaStream } from '@weft/xds'
import { isFederated, workDirOf } from './config.ts'
import { createFirstListHold, rememberServed, servedBefore } from './first-list-hold.ts'
import type { ProxyPipeline } from './proxy-pipeline.ts'
import { createRecovery, type Recovery } from './recovery.ts'
import { isMarked, markRecovery, needsRecovery } from './recovery-marker.ts'
import { recoveryRoute } from './recovery-routes.ts'
import { apiSettings } from './role-settings.ts'
import type { SharedParts } from './shared-parts.ts'
import type { ZoneListing } from './zone-listing.ts'
import { createTrustOfReplicas, type TrustOfReplicas, type TrustOfReplicasNeeds } from './trust-of-replicas.ts'
import { createTrustSpread } from './trust-spread.ts'

export interface ZoneRecoveryNeeds {
  /** Filled in before anything starts. */
  readonly link: { readonly client: KdsClient | undefined }
  /** True once everything global sends is here; always for a standalone zone. */
  readonly listing: Pick<ZoneListing, 'isListed' | 'onChange'>
  readonly isConnected: (proxyKey: string) => boolean
  readonly issuer: () => IdentityIssuer
  readonly pipeline: Pick<ProxyPipeline, 'idle'>
}

export interface ZoneRecovery extends Component {
  readonly recovery: Recovery
  /** What the identity issuer has to ask. */
  readonly trust: Pick<IdentityIssuerOptions, 'trustSpread' | 'isTrustKnown' | 'holdsCertificate'>
  /** What the replicas of the zone tell each other of trust; undefined when there are none. */
  readonly replicaTold?: Pick<TrustOfReplicas, 'named' | 'forget'>
  readonly route: ApiRoute
  /** Resolves when first lists may go to a stock global. */
  readonly listable: Promise<void>
  /** Undefined when all is here that global sends; otherwise resolves when it is, or after 5 s. */
  arriving(): Promise<void> | undefined
  /** To be told of a proxy before its facts are, and when it is forgotten. */
  registered(proxyKey: string): void
  gone(proxyKey: string): void
  /** To be told of every stream that is served. */
  onStream(proxyKey: string, stream: DeltaStream): void
  /** To be told when a proxy acknowledged secrets and when its stream is over. */
  onProgress(proxyKey: string): void
}

/** How long proxies are kept waiting for the keys that verify their tokens before they are told to try again. */
const arrivalLimitMs = 5_000

/** Nothing runs before `start`; but whether recovery is needed is read from the store now, before anyone writes to it. */
export function createZoneRecovery(parts: SharedParts, needs: ZoneRecoveryNeeds): ZoneRecovery {
  const { config, store, mesh, registry, streams, clock, log } = parts
  const { link, issuer, listing } = needs
  const { isListed } = listing
  const needed = needsRecovery(store)
  const consumed = registry.all.filter(isSentToZones).map((kind) => kind.type)
  const unlisted = (): readonly string[] => {
    if (isListed()) return []
    const listed = new Set(link.client?.connection().listed)
    return consumed.filter((type) => !listed.has(type))
  }

  const recovery = createRecovery({
    needed,
    unlisted,
    meshes: () => store.list('Mesh').map(({ name }) => name),
    returned: () => link.client?.returned(),
    dataplane: (proxyKey) => {
      const [of = '', name = ''] = proxyKey.split('/')
      return store.get({ type: 'Dataplane', mesh: of, name })
    },
    isConnected: needs.isConnected,
    mayChange: (type, name) => {
      // certificates are held back by their issuer; a bundle holds the roots of before only if an own global published them
      if (type === 'secret') return name !== systemNames.trustBundle || link.client?.connection().peer === 'own'
      return type !== 'endpoint' && isOwnName(name)
    },
    quiet: async () => {
      // each may give the next one something to do
      for (let round = 0; round < 2; round++) {
        await issuer().idle()
        await mesh.settled()
        await needs.pipeline.idle()
      }
    },
    onOver: () => spread.advance(),
    clock,
    log,
  })
  const replicaTold = replicaTrust(parts, { client: () => link.client, onChange: () => spread.advance() })
  const spread = createTrustSpread({
    streams,
    trust: mesh.trust,
    client: () => replicaTold ?? link.client,
    areComingBack: (of) => recovery.awaits(of),
    onAdvanced: (kri) => issuer().trustAdvanced(kri),
    onProxy: (proxyKey) => issuer().proxyAdvanced(proxyKey),
  })
  let hasMarked = false
  /** A proxy that comes back with something is the proof of an earlier life; a zone that is new has none, and nothing to go on with later. */
  const mark = (): void => {
    if (hasMarked || !needed) return
    hasMarked = true
    void markRecovery(store, log, false).then(() => recovery.over.then(() => markRecovery(store, log, true)))
  }
  const hold = createFirstListHold({ needed, servedBefore: servedBefore(workDirOf(config)), over: recovery.over, clock, log })
  let hasServed = false
  const served = (): void => {
    if (hasServed) return
    hasServed = true
    if (isFederated(config)) rememberServed(workDirOf(config), log)
  }
  const isTrustKnown = (): boolean => !needed || isListed()
  const stops: (() => void)[] = []
  let arrival: Promise<void> | undefined
  /** One wait for all proxies that come meanwhile. */
  const arriving = (): Promise<void> | undefined => {
    if (isListed()) return undefined
    arrival ??= new Promise((resolve) => {
      const finish = (): void => {
        timer.cancel()
        unsubscribe()
        arrival = undefined
        resolve()
      }
      const timer = clock.after(arrivalLimitMs, finish)
      const unsubscribe = listing.onChange(() => {
        if (isListed()) finish()
      })
    })
    return arrival
  }

  return {
    name: 'recovery',
    recovery,
    trust: {
      trustSpread: (kri, fingerprint) => spread.isSpread(kri, fingerprint),
      isTrustKnown,
      holdsCertificate: (proxyKey, kri) => streams.get(proxyKey)?.ackedVersion('secret', kri) !== undefined,
    },
    route: recoveryRoute({
      recovery,
      pendingCertificates: () => issuer().pending(),
      access: apiSettings(config, parts.tls).access,
      log,
    }),
    ...(replicaTold ? { replicaTold } : {}),
    listable: hold.released,
    arriving,
    registered: (proxyKey) => spread.registered(proxyKey),
    gone: (proxyKey) => spread.gone(proxyKey),
    onStream: (proxyKey, stream) => {
      served()
      streams.opened(proxyKey, stream)
      spread.onStream(proxyKey, stream)
      recovery.onStream(proxyKey, stream)
      void stream.asked().then(() => {
        if (stream.resumed) hold.recognised()
      })
    },
    onProgress: (proxyKey) => {
      if (streams.get(proxyKey)?.resumed && recovery.isRecovering(proxyKey)) mark()
      streams.progressed(proxyKey)
      spread.progressed(proxyKey)
    },
    start: async () => {
      stops.push(spread.start(), () => hold.stop())
      await replicaTold?.start()
      hold.start()
      if (isMarked(store)) mark()
      let wasKnown = isTrustKnown()
      const advance = (): void => {
        if (!wasKnown && isTrustKnown()) {
          wasKnown = true
          issuer().lookAgain()
        }
        spread.advance()
        recovery.advance()
      }
      if (isFederated(config)) stops.push(listing.onChange(advance))
      if (needed) {
        const followed = new Set(['Mesh', 'Dataplane'])
        stops.push(
          store.watch(store.seq, (changes) => {
            if (changes.some(({ key }) => followed.has(key.type))) recovery.advance()
          }),
        )
      }
      advance()
    },
    stop: async () => {
      await replicaTold?.stop()
      for (const stop of stops) stop()
      recovery.stop()
    },
  }
}

/** Undefined for a process with a store of its own: then nobody else has proxies of this zone. */
function replicaTrust(
  { own, store, leadership, identity, clock, log }: SharedParts,
  needs: Pick<TrustOfReplicasNeeds, 'client' | 'onChange'>,
): TrustOfReplicas | undefined {
  if (!own.isShared) return undefined
  return createTrustOfReplicas({
    ...needs,
    store,
    leadership,
    instanceId: identity.instanceId,
    members: () => own.replicas.presence.members().map(({ instanceId }) => instanceId),
    clock,
    log: log.child({ component: 'replicas' }),
  })
}
