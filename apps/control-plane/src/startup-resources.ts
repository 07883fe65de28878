// What a control plane makes for itself at its first start: keys, the default mesh, hostname generators, its own Zone. Later starts find
// them and write nothing (contract/rest-cli-gui.md section 4.3).
import { randomUUID } from 'node:crypto'
import { type MeshRulesDeps, newMeshOps } from '@weft/api'
import { hasCode } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { generateSigningKey, secretSpec, signingKeyRef, type TokenIssuer, type TokenKind } from '@weft/identity'
import { computeLabels, displayName, labelKeys, type LabelPlace, type Labels, type Registry, type ResourceKey } from '@weft/resources'
import type { PutOp, Store, StoreOp } from '@weft/store'

export interface StartupDeps {
  readonly store: Store
  readonly registry: Registry
  readonly log: Logger
  readonly place: LabelPlace
  readonly tokens: TokenIssuer
  readonly meshRules: MeshRulesDeps
  readonly skipMeshCreation: boolean
  readonly skipHostnameGenerators: boolean
  readonly bootstrapAdminToken: boolean
}

const context = { actor: 'generator:startup', reason: 'startup', class: 'desired' } as const
const adminName = 'mesh-system:admin'

interface GeneratorDefinition {
  readonly name: string
  readonly template: string
  readonly selector: object
}

const global: Readonly<Record<string, string>> = { [labelKeys.origin]: 'global' }
const universal = { [labelKeys.env]: 'universal' }
const kubernetes = (headless: boolean): Readonly<Record<string, string>> => ({
  [labelKeys.env]: 'kubernetes',
  'k8s.kuma.io/is-headless-service': String(headless),
})

/** Names of services of other zones, made on global (contract/resources.md section 10). */
const globalGenerators: readonly GeneratorDefinition[] = [
  {
    name: 'synced-mesh-multi-zone-service',
    template: '{{ .DisplayName }}.mzsvc.mesh.local',
    selector: { meshMultiZoneService: { matchLabels: global } },
  },
  {
    name: 'synced-kube-mesh-service',
    template: '{{ .DisplayName }}.{{ .Namespace }}.svc.{{ .Zone }}.mesh.local',
    selector: { meshService: { matchLabels: { ...global, ...kubernetes(false) } } },
  },
  {
    name: 'synced-headless-kube-mesh-service',
    template:
      '{{ label "statefulset.kubernetes.io/pod-name" }}.{{ label "k8s.kuma.io/service-name" }}.{{ .Namespace }}.svc.{{ .Zone }}.mesh.local',
    selector: { meshService: { matchLabels: { ...global, ...kubernetes(true) } } },
  },
  {
    name: 'synced-universal-mesh-service',
    template: '{{ .DisplayName }}.svc.{{ .Zone }}.mesh.local',
    selector: { meshService: { matchLabels: { ...global, ...universal } } },
  },
  {
    name: 'synced-mesh-external-service',
    template: '{{ .DisplayName }}.extsvc.mesh.local',
    selector: { meshExternalService: { matchLabels: global } },
  },
]

const zoneOrigin: Readonly<Record<string, string>> = { [labelKeys.origin]: 'zone' }

/** Names of a zone's own services. */
const zoneGenerators: readonly GeneratorDefinition[] = [
  {
    name: 'local-mesh-external-service',
    template: '{{ .DisplayName }}.extsvc.mesh.local',
    selector: { meshExternalService: { matchLabels: zoneOrigin } },
  },
  {
    name: 'local-universal-mesh-service',
    template: '{{ .DisplayName }}.svc.mesh.local',
    selector: { meshService: { matchLabels: zoneOrigin } },
  },
]

/** Writes what is missing. Safe to run at every start and by several processes at once. */
export async function createStartupResources(deps: StartupDeps): Promise<void> {
  const { place } = deps
  await Promise.all([
    createSigningKey(deps, 'user').then(() => createAdminToken(deps)),
    place.federated ? undefined : createSigningKey(deps, 'zone'),
    place.mode === 'global' ? create(deps, clusterId(deps)) : claimZone(deps),
    deps.skipHostnameGenerators ? undefined : createHostnameGenerators(deps),
    place.federated || deps.skipMeshCreation ? undefined : createDefaultMesh(deps),
  ])
}

function labelled(deps: StartupDeps, key: ResourceKey, spec: unknown): PutOp {
  const kind = deps.registry.get(key.type)
  if (!kind) throw new Error(`no resource kind ${key.type}`)
  return { op: 'put', resource: { ...key, labels: computeLabels(kind, { ...key, labels: {}, spec }, deps.place), spec }, expect: 'absent' }
}

/** The default generators of a stock control plane do not say where they were made, and those of a stock global say nothing at all. */
function defaultGeneratorLabels(labels: Labels, { mode }: LabelPlace): Labels {
  if (mode === 'global') return {}
  const { [labelKeys.env]: _, ...rest } = labels
  return rest
}

async function create(deps: StartupDeps, ...ops: readonly (PutOp | undefined)[]): Promise<void> {
  for (const op of ops) {
    if (!op || deps.store.get(op.resource)) continue
    try {
      await deps.store.transact([op], context)
      deps.log.info({ component: 'startup', type: op.resource.type, mesh: op.resource.mesh, name: op.resource.name }, 'created')
    } catch (error) {
      // another process of this control plane was first
      if (!hasCode(error, 'store/already-exists')) throw error
    }
  }
}

async function createSigningKey(deps: StartupDeps, kind: Exclude<TokenKind, 'dataplane'>): Promise<void> {
  const present = deps.store.list('GlobalSecret').some((secret) => secret.name.startsWith(`${kind}-token-signing-key`))
  if (present) return
  await create(deps, labelled(deps, signingKeyRef(kind, { serial: 1 }), secretSpec(await generateSigningKey())))
}

async function createAdminToken(deps: StartupDeps): Promise<void> {
  const key = { type: 'GlobalSecret', mesh: '', name: 'admin-user-token' }
  if (!deps.bootstrapAdminToken || deps.store.get(key)) return
  const token = await deps.tokens.user({ name: adminName, groups: [adminName] })
  await create(deps, labelled(deps, key, secretSpec(token)))
}

function clusterId(deps: StartupDeps): PutOp | undefined {
  const key = { type: 'Config', mesh: '', name: 'kuma-cluster-id' }
  return deps.store.get(key) ? undefined : labelled(deps, key, { config: randomUUID() })
}

/** A zone knows exactly one Zone: itself. */
async function claimZone(deps: StartupDeps): Promise<void> {
  const own = { type: 'Zone', mesh: '', name: deps.place.zone }
  const others: StoreOp[] = deps.store
    .list('Zone')
    .filter((zone) => zone.name !== own.name)
    .map((zone) => ({ op: 'delete', key: zone, ifPresent: true }))
  if (others.length > 0) await deps.store.transact(others, context)
  await create(deps, labelled(deps, own, { enabled: true }))
}

async function createHostnameGenerators(deps: StartupDeps): Promise<void> {
  const definitions = deps.place.mode === 'global' ? globalGenerators : zoneGenerators
  const present = new Set(deps.store.list('HostnameGenerator').map(displayName))
  for (const { name, template, selector } of definitions) {
    if (present.has(name)) continue
    const op = labelled(deps, { type: 'HostnameGenerator', mesh: '', name }, { template, selector })
    await create(deps, { ...op, resource: { ...op.resource, labels: defaultGeneratorLabels(op.resource.labels, deps.place) } })
  }
}

async function createDefaultMesh(deps: StartupDeps): Promise<void> {
  if (deps.store.list('Mesh').length > 0) return
  const key = { type: 'Mesh', mesh: '', name: 'default' }
  const mesh = labelled(deps, key, {})
  const ops = await newMeshOps(deps.meshRules, key.name, mesh.resource.spec)
  try {
    await deps.store.transact([mesh, ...ops], context)
    deps.log.info({ component: 'startup', type: key.type, name: key.name }, 'created')
  } catch (error) {
    if (!hasCode(error, 'store/already-exists')) throw error
  }
}
