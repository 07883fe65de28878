// `GET /_x/recovery`: how far the recovery of this zone is. `DELETE /_x/recovery`: ends it. For administrators.
import { type AccessRules, type ApiRoute, type ApiUser, requireRight } from '@weft/api'
import type { Logger } from '@weft/foundation/log'
import type { PendingSvid } from '@weft/identity'
import type { Recovery } from './recovery.ts'

export interface RecoveryRoutesOptions {
  readonly recovery: Recovery
  /** Proxies without the certificate they should have. */
  readonly pendingCertificates: () => readonly PendingSvid[]
  readonly access: AccessRules
  readonly log: Logger
}

const maxShown = 100

export function recoveryRoute({ recovery, pendingCertificates, access, log }: RecoveryRoutesOptions): ApiRoute {
  const admit = (user: ApiUser): void => requireRight(access, 'adminResources', { user, action: 'the recovery of this control plane' })
  return {
    path: '/_x/recovery',
    handlers: {
      GET: ({ user }) => {
        admit(user)
        const pending = pendingCertificates()
        const certificates = pending.slice(0, maxShown).map(({ proxyKey, kri, reason }) => ({ proxy: proxyKey, kri, reason }))
        return { json: { ...recovery.status(), pendingCertificates: { total: pending.length, items: certificates } } }
      },
      DELETE: ({ user }) => {
        admit(user)
        log.warn({ component: 'recovery', user: user.name }, 'recovery ended by an operator')
        recovery.end()
        return { json: recovery.status() }
      },
    },
  }
}
