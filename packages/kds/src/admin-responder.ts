// Answers of a zone to questions about its Envoys. An answer is never sent in the first milliseconds nor after the asker gave up: a stock
// global ends the session over either (contract/kds.md section 12).
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'
import { displayName, labelKeys, type Resource, type ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import { adminCodecs, type AdminAnswer, type AdminRequest } from './admin-messages.ts'
import { packAnswer } from './admin-payload.ts'
import type { AdminKind, EnvoyAdmin } from './contract.ts'

/** What answering needs. */
export interface ResponderOptions {
  readonly store: Pick<Store, 'get' | 'list'>
  readonly envoyAdmin: EnvoyAdmin
  readonly clock: Clock
  readonly log: Logger
  /** Who asks: an own global unpacks compressed answers. */
  readonly peer: 'own' | 'stock'
}

const notBeforeMs = 5
const notAfterMs = 9_000
const maxErrorText = 2_000

/**
 * Answers one question through `write`. Resolves when the answer was written or dropped; never rejects. Throws kds/bad-message at once
 * when the bytes are not a question.
 */
export function answerAdminRequest(
  kind: AdminKind,
  bytes: Uint8Array,
  options: ResponderOptions & { write(bytes: Uint8Array): boolean },
): Promise<void> {
  const request = adminCodecs[kind].decodeRequest(bytes)
  return answer(kind, request, options)
}

async function answer(
  kind: AdminKind,
  request: AdminRequest,
  options: ResponderOptions & { write(bytes: Uint8Array): boolean },
): Promise<void> {
  const { clock, log } = options
  const askedAt = clock.monotonic()
  const result = await resultOf(kind, request, options)
  const elapsed = clock.monotonic() - askedAt
  if (elapsed > notAfterMs) {
    log.warn({ name: request.name, mesh: request.mesh, ms: Math.round(elapsed) }, 'kds admin answer too late, dropped')
    return
  }
  if (elapsed < notBeforeMs) await new Promise<void>((resolve) => void clock.after(notBeforeMs - elapsed, resolve))
  options.write(adminCodecs[kind].encodeAnswer({ id: request.id, result }))
}

async function resultOf(
  kind: AdminKind,
  request: AdminRequest,
  { store, envoyAdmin, peer }: ResponderOptions,
): Promise<AdminAnswer['result']> {
  try {
    const proxy = findProxy(request, store)
    if (!proxy) return { error: `no ${request.type} named ${request.name} in mesh ${request.mesh} in this zone` }
    return { bytes: await packAnswer(await envoyAdmin.ask(kind, proxy, request.options), peer) }
  } catch (error) {
    return { error: messageOf(error).slice(0, maxErrorText) || 'the proxy did not answer' }
  }
}

/** By its name in this store, else by display name, with or without the namespace. */
function findProxy({ type, name, mesh }: AdminRequest, store: Pick<Store, 'get' | 'list'>): ResourceKey | undefined {
  if (type !== 'Dataplane') return undefined
  const exact = store.get({ type, mesh, name })
  if (exact) return exact
  return store.list(type, mesh).find((proxy) => displayName(proxy) === name || namespacedName(proxy) === name)
}

function namespacedName(proxy: Resource): string {
  return `${displayName(proxy)}.${proxy.labels[labelKeys.namespace] ?? ''}`
}
