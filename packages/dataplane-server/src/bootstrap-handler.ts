// POST /bootstrap: decides whether a proxy may start and with what (contract/dataplane.md section 2.2). A refusal with a text ends the
// launcher, so it is given only when waiting cannot help; whatever may mend itself is answered 404 or 503 without one.
import type { JsonObject } from '@weft/foundation/json'
import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { type Attempts, retryAfterSeconds, uncountedAttempts } from '@weft/foundation/budget'
import { hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { parseCertificates, type TokenVerifier } from '@weft/identity'
import { labelKeys, type Labels, type Resource } from '@weft/resources'
import type { DataplaneSpec } from '@weft/resources'
import type { Store } from '@weft/store'
import { checkClaims } from './authenticator.ts'
import { buildBootstrap } from './bootstrap-config.ts'
import { type BootstrapRequest, parseBootstrapRequest } from './bootstrap-request.ts'
import { parseDataplane } from './dataplane-document.ts'
import { registeredLabels } from './registration.ts'
import type { DataplaneServerSettings } from './settings.ts'

export interface BootstrapCall {
  readonly body: string
  /** Value of the Host header. */
  readonly host: string
  readonly accept: string
  /** IP address of the peer. */
  readonly address: string
}

export interface BootstrapAnswer {
  readonly status: number
  readonly contentType?: string
  readonly body: string
  /** When the same request may be answered. */
  readonly retryAfterSeconds?: number
}

export interface BootstrapHandlerOptions {
  readonly store: Pick<Store, 'get'>
  readonly tokens: Pick<TokenVerifier, 'dataplane'>
  readonly settings: DataplaneServerSettings
  /** The certificate chain this server presents. */
  readonly certificatePem: () => string
  /** The port this server listens on. */
  readonly port: () => number
  /** All addresses of a host name; rejects when there are none. */
  readonly lookup: (host: string) => Promise<readonly string[]>
  /** False while meshes and secrets may still be on their way: what is missing then is not a reason to refuse. Default: always true. */
  readonly isComplete?: () => boolean
  /** Looks at no more tokens of an address that showed too many bad ones. Default: always looks. */
  readonly attempts?: Attempts
  readonly log: Logger
}

const tokenRequired =
  "Dataplane Token is required. Generate token using 'kumactl generate dataplane-token > /path/file' and provide it via --dataplane-token-file=/path/file argument to Kuma DP"

/** Thrown inside to end with an answer. */
class Refusal {
  readonly status: number
  readonly text: string
  constructor(status: number, text: string) {
    this.status = status
    this.text = text
  }
}

export function createBootstrapHandler(options: BootstrapHandlerOptions): (call: BootstrapCall) => Promise<BootstrapAnswer> {
  return async (call) => {
    const request = parseBootstrapRequest(call.body)
    if (!request) return { status: 400, body: '' }
    try {
      const { bootstrap, address } = await makeBootstrap(request, call, options)
      if (!call.accept.includes('application/json'))
        return { status: 200, contentType: 'text/x-yaml', body: `${JSON.stringify(bootstrap, null, 2)}\n` }
      const body = {
        bootstrap: Buffer.from(JSON.stringify(bootstrap)).toString('base64'),
        kumaSidecarConfiguration: { networking: { address }, metrics: { aggregate: null } },
      }
      return { status: 200, contentType: 'application/json', body: JSON.stringify(body) }
    } catch (error) {
      const later = retryAfterSeconds(error)
      // a launcher tries again after 503, and ends after anything from 400 to 499 with a text
      if (later !== undefined) return { status: 503, body: '', retryAfterSeconds: later }
      if (!(error instanceof Refusal)) {
        options.log.error({ mesh: request.mesh, proxy: request.name, err: messageOf(error) }, 'bootstrap failed')
        return { status: 500, body: '' }
      }
      options.log.info({ mesh: request.mesh, proxy: request.name, status: error.status, reason: error.text }, 'bootstrap refused')
      return { status: error.status, body: error.text, ...(error.text === '' ? {} : { contentType: 'text/plain; charset=utf-8' }) }
    }
  }
}

async function makeBootstrap(
  request: BootstrapRequest,
  call: BootstrapCall,
  options: BootstrapHandlerOptions,
): Promise<{ readonly bootstrap: JsonObject; readonly address: string }> {
  const { settings } = options
  if (request.proxyType !== 'dataplane') {
    throw new Refusal(
      422,
      `proxy type "${request.proxyType.slice(0, 50)}" is not supported: run zone proxies as a Dataplane with listeners of type ZoneIngress or ZoneEgress`,
    )
  }
  if (settings.authType === 'dpToken' && request.token === '' && request.tokenPath === '') throw new Refusal(422, tokenRequired)
  if (settings.authType === 'serviceAccountToken' && request.token === '' && request.tokenPath === '') {
    throw new Refusal(422, 'a service account token is required')
  }
  const xdsHost = settings.xdsHost || coveredHost(call.host, options.certificatePem())
  const dataplane = findDataplane(request, options)
  await checkToken(request, { labels: dataplane.labels, address: call.address }, options)
  const reloadable = settings.enableReloadableTokens && request.tokenPath !== ''
  const bootstrap = buildBootstrap({
    request,
    workload: dataplane.labels[labelKeys.workload] ?? '',
    adminPort: dataplane.spec.networking?.admin?.port || settings.adminPort,
    adminAddress: settings.adminAddress,
    adminSocket: settings.envoyAdminUnixSocket && request.workdir !== '',
    xdsHost,
    xdsPort: settings.xdsPort || options.port(),
    xdsConnectTimeoutMs: settings.xdsConnectTimeoutMs,
    ipv4Only: await isIpv4Only(xdsHost, options),
    caPem: trustedCa(request.caCert, options.certificatePem()),
    hdsEnabled: settings.hdsEnabled,
    reloadableTokenPath: reloadable ? request.tokenPath : '',
  })
  return { bootstrap, address: dataplane.spec.networking?.address ?? '' }
}

interface FoundDataplane {
  readonly labels: Labels
  readonly spec: DataplaneSpec
}

function findDataplane(request: BootstrapRequest, { store, settings, isComplete }: BootstrapHandlerOptions): FoundDataplane {
  const { mesh, name } = request
  if (request.dataplaneResource === '') {
    const stored: Resource | undefined = store.get({ type: 'Dataplane', mesh, name })
    // without a text: the launcher asks again until somebody made the Dataplane
    if (!stored) throw new Refusal(404, '')
    // stored Dataplanes passed the codec of their kind
    return { labels: stored.labels, spec: stored.spec as DataplaneSpec }
  }
  const document = documentOf(request.dataplaneResource)
  if (document.mesh !== mesh || document.name !== name) {
    throw new Refusal(
      422,
      `dataplane resource is of mesh "${document.mesh}" and name "${document.name}", the request of mesh "${mesh}" and name "${name}"`,
    )
  }
  if (!store.get({ type: 'Mesh', mesh: '', name: mesh })) {
    if (isComplete && !isComplete()) throw new Refusal(503, '')
    throw new Refusal(422, `mesh: mesh "${mesh}" does not exist`)
  }
  return { labels: registeredLabels(document, settings), spec: document.spec }
}

function documentOf(text: string): ReturnType<typeof parseDataplane> {
  try {
    return parseDataplane(text)
  } catch (error) {
    if (hasCode(error, 'resource/undecodable') || hasCode(error, 'resource/invalid')) throw new Refusal(422, messageOf(error))
    throw error
  }
}

/** Refuses a token that is surely wrong; one that cannot be judged here and now is judged on the stream. */
async function checkToken(
  request: BootstrapRequest,
  { labels, address }: { readonly labels: Labels; readonly address: string },
  { settings, tokens, attempts = uncountedAttempts }: BootstrapHandlerOptions,
): Promise<void> {
  if (settings.authType !== 'dpToken' || request.token === '') return
  try {
    await attempts.check({ address, credentials: [request.token] }, async () => {
      checkClaims(await tokens.dataplane(request.token, request.mesh), { mesh: request.mesh, name: request.name, labels })
    })
  } catch (error) {
    // a key may be on its way from global: the stream is refused until it is here, and the proxy keeps trying
    if (hasCode(error, 'token/keys-missing') || (hasCode(error, 'token/invalid') && error.details['reason'] === 'unknown-key')) return
    if (hasCode(error, 'token/invalid') || hasCode(error, 'xds/unauthenticated')) throw new Refusal(422, messageOf(error))
    throw error
  }
}

/** The name the proxy called us by, when our certificate is good for it. */
function coveredHost(hostHeader: string, certificatePem: string): string {
  const host = hostHeader.startsWith('[') ? hostHeader.slice(1, hostHeader.indexOf(']')) : hostHeader.replace(/:\d*$/, '')
  const certificate = new X509Certificate(certificatePem)
  const isCovered = isIP(host) === 0 ? host !== '' && certificate.checkHost(host) !== undefined : certificate.checkIP(host) !== undefined
  if (isCovered) return host
  const names = (certificate.subjectAltName ?? '').split(', ').map((each) => `"${each.replace(/^(DNS|IP Address):/, '')}"`)
  throw new Refusal(
    400,
    `A data plane proxy is trying to connect to the control plane using "${host.slice(0, 255)}" address, but the certificate in the control plane has the following SANs [${names.join(' ')}]. ` +
      'Either start the proxy with a --cp-address that is one of them, or give the control plane a certificate for that address with KUMA_GENERAL_TLS_CERT_FILE and KUMA_GENERAL_TLS_KEY_FILE.',
  )
}

async function isIpv4Only(host: string, { lookup }: BootstrapHandlerOptions): Promise<boolean> {
  if (isIP(host) !== 0) return false
  try {
    const addresses = await lookup(host)
    return addresses.length > 0 && addresses.every((address) => isIP(address) === 4)
  } catch {
    return false
  }
}

/** What the proxy trusts: the authority its launcher trusted already, else the end of our own chain. */
function trustedCa(fromRequest: string, ownChain: string): string {
  const text = fromRequest.trim() === '' ? ownChain : fromRequest
  const certificates = parseCertificates(text)
  const root = certificates.at(-1)
  if (!root) throw new Refusal(400, 'the CA certificate of the request is not a certificate in PEM')
  if (!certificates.some((certificate) => certificate.ca)) {
    throw new Refusal(
      400,
      'the certificate that the proxy is to trust the control plane by is not a certificate authority (CA): start the proxy with --ca-cert-file naming the CA that issued the certificate of the control plane',
    )
  }
  return fromRequest.trim() === '' ? root.toString() : fromRequest
}

/** Answers of the HTTP side for anything but a bootstrap, as Go's server words them. */
export const notFoundAnswer: BootstrapAnswer = { status: 404, contentType: 'text/plain; charset=utf-8', body: '404 page not found\n' }
