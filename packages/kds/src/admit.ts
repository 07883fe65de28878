// The door of a global: who may act as which zone (contract/kds.md section 3.4). A zone is named by a token, by a client certificate, or,
// where an operator said so, by nothing but its address. Whatever is presented is checked, also where nothing is asked for.
import { BlockList, isIP } from 'node:net'
import { hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { isLoopback, plainAddress } from '@weft/foundation/net'
import { labelKeys } from '@weft/resources'
import type { Store } from '@weft/store'
import { certifiesZone, zoneUriName } from './client-certificate.ts'
import type { AdmitDecision, AdmitRequest, AdmitZone } from './contract.ts'

/** What a zone must bring: a token or certificate, or nothing. */
export type ZoneAuthentication = 'zoneToken' | 'none'

/** What a verified zone token says. */
export interface VerifiedZoneToken {
  readonly zone: string
  readonly scope: readonly string[]
  /** Milliseconds since the epoch. */
  readonly expiresAt: number | undefined
}

/** What deciding needs. */
export interface ZoneAdmissionOptions {
  readonly type: ZoneAuthentication
  readonly store: Pick<Store, 'get'>
  readonly log: Logger
  /** Rejects with token/invalid, or with token/keys-missing while the keys are on their way. */
  verifyToken(token: string): Promise<VerifiedZoneToken>
  /** Id of this federation as certificates name it; '' while it is not made yet. */
  clusterId(): string
}

/** What a token must be good for. */
export const zoneTokenScope = 'cp'

/** Makes the decision. `none` is warned of once, here. */
export function createZoneAdmission(options: ZoneAdmissionOptions): AdmitZone {
  const { type, log } = options
  if (type === 'none') {
    log.warn(
      { component: 'kds.server' },
      'zones are not authenticated (multizone.global.kds.auth.type is none): whoever reaches the KDS port can be any zone',
    )
  }
  return async (request) => {
    const { zone, certificate } = request
    if (request.authorization.length > 0) return admitByToken(request, options)
    const clusterId = options.clusterId()
    if (certificate && 'problem' in certificate) {
      if (type === 'zoneToken') return refused(`the client certificate cannot be verified: ${certificate.problem}`)
    } else if (certificate && certifiesZone(certificate, zone, clusterId)) {
      return { admitted: true, credential: 'certificate', expiresAt: certificate.expiresAt }
    } else if (certificate && zoneUriName(certificate, clusterId) !== undefined) {
      return refused(`the client certificate is one of zone ${shown(zoneUriName(certificate, clusterId))}, not of ${zone}`)
    }
    if (type === 'none') return { admitted: true, credential: 'none', expiresAt: undefined }
    return admitByLabel(request, options.store)
  }
}

async function admitByToken(request: AdmitRequest, options: ZoneAdmissionOptions): Promise<AdmitDecision> {
  const { zone, certificate, authorization } = request
  if (!request.encrypted && !isLoopback(request.peerHost))
    return refused('a zone token must not travel in clear: dial global with grpcs://, and revoke this token')
  const named = certificate && !('problem' in certificate) ? zoneUriName(certificate, options.clusterId()) : undefined
  if (named !== undefined && named !== zone) return refused(`the client certificate is one of zone ${shown(named)}, not of ${zone}`)
  const token = authorization.length === 1 ? /^(?:Bearer )?([^\s,]+)$/.exec(authorization[0] ?? '')?.[1] : undefined
  if (token === undefined) return refused(`the authorization header holds no single token; ${advice(zone)}`)
  try {
    const claims = await options.verifyToken(token)
    if (claims.zone !== zone) return refused(`the token is for zone ${shown(claims.zone)}, not for ${zone}; ${advice(zone)}`)
    if (!claims.scope.includes(zoneTokenScope))
      return refused(`the scope of the token does not hold ${JSON.stringify(zoneTokenScope)}; ${advice(zone)}`)
    return { admitted: true, credential: 'zoneToken', expiresAt: claims.expiresAt }
  } catch (error) {
    if (hasCode(error, 'token/keys-missing')) return { admitted: false, reason: messageOf(error), later: true }
    return refused(`${messageOf(error)}; ${advice(zone)}`)
  }
}

/** A stock zone brings nothing: it comes in only if an operator made its Zone and said that nothing is asked of it. */
function admitByLabel({ zone, peerHost }: AdmitRequest, store: Pick<Store, 'get'>): AdmitDecision {
  const labels = store.get({ type: 'Zone', mesh: '', name: zone })?.labels ?? {}
  if (labels[labelKeys.zoneAuth] !== 'none') return refused(`zone ${zone} brought no credentials; ${advice(zone)}`)
  const cidr = labels[labelKeys.zoneCidr]
  if (cidr !== undefined && !isWithin(peerHost, cidr))
    return refused(`zone ${zone} is admitted without credentials only from ${shown(cidr)} (label ${labelKeys.zoneCidr} of its Zone)`)
  return { admitted: true, credential: 'none', expiresAt: undefined }
}

/** Whether an address is in `<address>/<bits>`. False for a range that cannot be read. */
export function isWithin(address: string, cidr: string): boolean {
  const [base = '', bits = '', ...rest] = cidr.split('/')
  const family = isIP(base)
  const plain = plainAddress(address)
  if (family === 0 || isIP(plain) === 0 || rest.length > 0 || !/^\d{1,3}$/.test(bits)) return false
  if (Number(bits) > (family === 4 ? 32 : 128)) return false
  const range = new BlockList()
  range.addSubnet(base, Number(bits), family === 4 ? 'ipv4' : 'ipv6')
  return range.check(plain, isIP(plain) === 4 ? 'ipv4' : 'ipv6')
}

function refused(reason: string): AdmitDecision {
  return { admitted: false, reason }
}

function advice(zone: string): string {
  const command = `weft generate zone-token --zone ${zone} --scope ${zoneTokenScope} --valid-for 8760h`
  return `make a token at global with "${command}" and name its file to the zone in KUMA_MULTIZONE_ZONE_KDS_AUTH_TOKEN_PATH`
}

function shown(text: string | undefined): string {
  return JSON.stringify((text ?? '').slice(0, 100))
}
