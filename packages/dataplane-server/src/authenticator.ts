// Who may speak for a Dataplane (contract/dataplane.md section 5.2). Every stream is checked once, on its first message, before anything
// is stored or sent; a control plane whose keys have not arrived says "later", never "no".
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import { type DataplaneTokenClaims, selectIdentity, type SpiffeSettings, type TokenVerifier, usesWorkload } from '@weft/identity'
import { labelKeys, type Labels, type Resource } from '@weft/resources'
import type { Store } from '@weft/store'
import type { ProxyAuthType } from './settings.ts'

/** The Dataplane a credential is to be good for. */
export interface AuthSubject {
  readonly mesh: string
  readonly name: string
  readonly labels: Labels
}

/** What a Kubernetes service account token proves. */
export interface ServiceAccount {
  readonly namespace: string
  readonly name: string
}

export interface ProxyAuthenticator {
  /**
   * Resolves when the credentials (all values of the `authorization` header) allow to act as each subject.
   * Errors: xds/unauthenticated; token/keys-missing (retryable).
   */
  authenticate(credentials: readonly string[], subjects: readonly AuthSubject[]): Promise<void>
}

export interface AuthenticatorOptions {
  readonly authType: ProxyAuthType
  readonly tokens: Pick<TokenVerifier, 'dataplane'>
  readonly store: Pick<Store, 'list'>
  readonly spiffe: SpiffeSettings
  /** Asks Kubernetes whose token it is. Required for serviceAccountToken. */
  readonly reviewServiceAccount?: (token: string) => Promise<ServiceAccount | undefined>
}

export function createProxyAuthenticator(options: AuthenticatorOptions): ProxyAuthenticator {
  const claimsFor = async (credential: string, mesh: string): Promise<DataplaneTokenClaims> => {
    try {
      return await options.tokens.dataplane(credential, mesh)
    } catch (error) {
      if (hasCode(error, 'token/keys-missing')) throw error
      throw refused(messageOf(error), error)
    }
  }
  const byToken = async (credential: string, subjects: readonly AuthSubject[]): Promise<void> => {
    const verified = new Map<string, DataplaneTokenClaims>()
    for (const subject of subjects) {
      const claims = verified.get(subject.mesh) ?? (await claimsFor(credential, subject.mesh))
      verified.set(subject.mesh, claims)
      checkClaims(claims, subject)
      checkWorkloadBinding(claims, subject, options.store.list('MeshIdentity', subject.mesh), options.spiffe)
    }
  }
  const byServiceAccount = async (credential: string, subjects: readonly AuthSubject[]): Promise<void> => {
    const account = await options.reviewServiceAccount?.(credential)
    if (!account) throw refused('the service account token is not valid')
    for (const { labels } of subjects) {
      const namespace = labels[labelKeys.namespace] ?? ''
      const name = labels[labelKeys.serviceAccount] || 'default'
      if (account.namespace !== namespace || account.name !== name) {
        throw refused(`service account ${account.namespace}/${account.name} is not the one of the pod (${namespace}/${name})`)
      }
    }
  }
  return {
    authenticate: async (credentials, subjects) => {
      if (options.authType === 'none') return
      const [credential] = credentials
      if (!credential || credentials.length !== 1) throw refused('exactly one credential is required in "authorization"')
      await (options.authType === 'dpToken' ? byToken(credential, subjects) : byServiceAccount(credential, subjects))
    },
  }
}

/** Compares what a token is bound to with a Dataplane. Errors: xds/unauthenticated. */
export function checkClaims(claims: DataplaneTokenClaims, subject: AuthSubject): void {
  const { mesh, name, labels } = subject
  if (claims.mesh !== mesh) throw refused(`token is for mesh "${claims.mesh}", the proxy is in mesh "${mesh}"`)
  if (claims.name !== '' && claims.name !== name) throw refused(`token is for proxy "${claims.name}", not "${name}"`)
  for (const [key, values] of claims.tags) {
    const actual = Object.hasOwn(labels, key) ? labels[key] : undefined
    if (actual === undefined) throw refused(`token requires the label "${key}", which the dataplane does not have`)
    if (!values.includes(actual)) throw refused(`token does not allow the value "${actual}" of the label "${key}"`)
  }
  const workload = labels[labelKeys.workload] ?? ''
  if (claims.workload !== '' && claims.workload !== workload) {
    throw refused(`token is for workload "${claims.workload}", the dataplane is of workload "${workload}"`)
  }
}

/** A token that is not bound to a workload must not obtain an identity that is named after one. Errors: xds/unauthenticated. */
function checkWorkloadBinding(
  claims: DataplaneTokenClaims,
  subject: AuthSubject,
  identities: readonly Resource[],
  spiffe: SpiffeSettings,
): void {
  if (claims.workload !== '' || !subject.labels[labelKeys.workload]) return
  const identity = selectIdentity(identities, subject.labels)
  if (identity && usesWorkload(identity, spiffe)) {
    throw refused(
      `MeshIdentity "${identity.name}" names workloads: a dataplane with the label ${labelKeys.workload} requires a workload-bound token`,
    )
  }
}

/** The best MeshIdentity of a proxy that is named after a workload needs the label. Errors: xds/unauthenticated. */
export function checkWorkloadLabel(subject: AuthSubject, identities: readonly Resource[], spiffe: SpiffeSettings): void {
  const identity = selectIdentity(identities, subject.labels)
  if (identity && usesWorkload(identity, spiffe) && !subject.labels[labelKeys.workload]) {
    throw refused(`MeshIdentity "${identity.name}" names workloads: the dataplane requires the label ${labelKeys.workload}`)
  }
}

function refused(message: string, cause?: unknown): AppError {
  return new AppError('xds/unauthenticated', message, cause === undefined ? {} : { cause })
}
