// Pages of a list (contract/rest-cli-gui.md section 2.3).
import type { ApiRequest } from './api-route.ts'
import { Problem } from './problem.ts'

export interface Page<T> {
  readonly total: number
  readonly items: readonly T[]
  readonly next: string | null
}

const maxSize = 1000
const defaultSize = 100

/** The page of `all` that the request asks for. `title` names the list in errors. */
export function pageOf<T>(all: readonly T[], request: ApiRequest, title: string): Page<T> {
  const size = sizeOf(request)
  const offset = offsetOf(request, title)
  const items = all.slice(offset, offset + size)
  const next = offset + size < all.length ? nextUrl(request, offset + size) : null
  return { total: all.length, items, next }
}

function sizeOf(request: ApiRequest): number {
  const text = request.query.get('size') ?? ''
  // kumactl export asks for lists without a size and reads one page only (contract/rest-cli-gui.md section 14, item 7)
  if (text === '') return request.header('user-agent').startsWith('kumactl/') ? maxSize : defaultSize
  const bad = (reason: string): Problem =>
    new Problem(400, 'Invalid page size', { detail: 'Invalid page size', violations: [{ field: 'size', message: reason }] })
  if (!/^[+-]?\d{1,18}$/.test(text)) throw bad('invalid format')
  const size = Number(text)
  if (size <= 0) throw bad('must be greater than 0')
  if (size > maxSize) throw bad(`invalid page size of ${size}. Maximum page size is ${maxSize}`)
  return size
}

function offsetOf(request: ApiRequest, title: string): number {
  const text = request.query.get('offset') ?? ''
  if (text === '') return 0
  if (!/^\d{1,15}$/.test(text))
    throw new Problem(400, title, { detail: `invalid: invalid offset: ${JSON.stringify(text)} is not a number` })
  return Number(text)
}

function nextUrl(request: ApiRequest, offset: number): string {
  const query = new URLSearchParams(request.query)
  query.set('offset', String(offset))
  query.sort()
  return `${request.origin}${request.path}?${query.toString()}`
}
