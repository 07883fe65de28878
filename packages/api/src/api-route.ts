// A route is a path pattern and one handler per method; handlers are functions from a request to a reply and know no HTTP library.
import type { Readable } from 'node:stream'
import type { ApiUser } from './api-deps.ts'

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH'

export interface ApiRequest {
  readonly method: string
  /** Values of the path's `:parameters`, decoded. */
  param(name: string): string
  readonly query: URLSearchParams
  /** Path as requested, without query. */
  readonly path: string
  /** Scheme and host as the client wrote them: `http://host:port`. */
  readonly origin: string
  readonly body: Buffer | undefined
  readonly user: ApiUser
  /** IP address of the peer, which may be a proxy in between. */
  readonly address: string
  header(name: string): string
}

/** Exactly one of `json`, `text`, `bytes` and `stream`; `json` is written with one space of indentation. */
export interface ApiReply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly text?: string
  readonly bytes?: Uint8Array
  /** Ends the connection when it fails on its way. */
  readonly stream?: Readable
  /** Of `text`, `bytes` and `stream`; text/plain by default. */
  readonly contentType?: string
}

export type Handler = (request: ApiRequest) => ApiReply | Promise<ApiReply>

export interface ApiRoute {
  /** Such as `/meshes/:mesh/dataplanes/:name/_config`; `*` at the end takes the rest. */
  readonly path: string
  readonly handlers: Readonly<Partial<Record<Method, Handler>>>
  /** True: any or no credentials are taken without a look. */
  readonly open?: boolean
}

/** A route that is only read. */
export function get(path: string, handler: Handler): ApiRoute {
  return { path, handlers: { GET: handler } }
}
