// Lets a proxy in: the Dataplane it speaks for is found and its credentials are good for it. The same for discovery and health discovery.
import { type Attempts, uncountedAttempts } from '@weft/foundation/budget'
import { AppError } from '@weft/foundation/errors'
import type { SpiffeSettings } from '@weft/identity'
import type { Store } from '@weft/store'
import { type AuthSubject, checkWorkloadLabel, type ProxyAuthenticator } from './authenticator.ts'
import type { ProxyHello } from './node-metadata.ts'
import { registeredLabels } from './registration.ts'
import type { DataplaneServerSettings } from './settings.ts'

export interface AdmissionOptions {
  readonly store: Pick<Store, 'get' | 'list'>
  readonly authenticator: ProxyAuthenticator
  readonly settings: Pick<DataplaneServerSettings, 'zone' | 'federated' | 'environment'>
  readonly spiffe: SpiffeSettings
  /**
   * Undefined when all is here that global sends. Otherwise resolves when it is, or when that takes too long: a proxy that is told to try
   * again later may stay away for half a minute.
   */
  readonly arriving?: () => Promise<void> | undefined
  /** Looks at no more credentials of an address that showed too many bad ones; streams that are open stay. Default: always looks. */
  readonly attempts?: Attempts
}

/** What a proxy shows, and where it is. */
export interface Shown {
  /** All values of the `authorization` header. */
  readonly credentials: readonly string[]
  /** IP address of the peer. */
  readonly address: string
}

/**
 * Resolves when the proxy may act as the Dataplane it names. A Dataplane that is stored under the name already must be one the credentials
 * are good for, too: a token bound to labels must not take over a proxy that does not have them.
 * Errors: xds/unauthenticated; budget/exhausted; token/keys-missing, or store/not-found marked retryable, when trying again later may help.
 */
export async function admit(hello: ProxyHello, shown: Shown, options: AdmissionOptions): Promise<void> {
  try {
    await admitNow(hello, shown, options)
  } catch (error) {
    const arriving = error instanceof AppError && error.retryable ? options.arriving?.() : undefined
    if (!arriving) throw error
    await arriving
    await admitNow(hello, shown, options)
  }
}

async function admitNow(hello: ProxyHello, { credentials, address }: Shown, options: AdmissionOptions): Promise<void> {
  const { mesh, name, document } = hello
  const stored = options.store.get({ type: 'Dataplane', mesh, name })
  const subjects: AuthSubject[] = []
  const brings = document && options.settings.environment === 'universal'
  if (brings) subjects.push({ mesh, name, labels: registeredLabels(document, options.settings) })
  if (stored) subjects.push({ mesh, name, labels: stored.labels })
  const [subject] = subjects
  if (!subject) throw new AppError('store/not-found', `no Dataplane "${name}" in mesh "${mesh}"`, { retryable: true })
  const { attempts = uncountedAttempts } = options
  await attempts.check({ address, credentials }, () => options.authenticator.authenticate(credentials, subjects))
  if (!options.store.get({ type: 'Mesh', mesh: '', name: mesh })) {
    throw new AppError('store/not-found', `mesh "${mesh}" does not exist`, { retryable: true })
  }
  checkWorkloadLabel(subject, options.store.list('MeshIdentity', mesh), options.spiffe)
}
