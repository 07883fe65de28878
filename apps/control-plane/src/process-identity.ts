// Who this process is: shown to peers, proxies and people.
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'

/** The wire identity must contain `preview`, so that stock clients of any version call it compatible (contract/rest-cli-gui.md 10.3). */
export const productVersion = '3.0.0-preview.weft'

export interface ProcessIdentity {
  readonly hostname: string
  /** `<hostname>-<4 hex>`, new at every start. */
  readonly instanceId: string
  readonly version: { readonly version: string; readonly gitTag: string; readonly gitCommit: string; readonly buildDate: string }
}

export function createProcessIdentity(): ProcessIdentity {
  const host = hostname()
  return {
    hostname: host,
    instanceId: `${host}-${randomBytes(2).toString('hex')}`,
    version: { version: productVersion, gitTag: '', gitCommit: '', buildDate: '' },
  }
}
