// Certificate and key files of a server: loaded, made when absent, and read again when they change on disk.
export type { ClientAuthorities } from './client-authorities.ts'
export { loadClientAuthorities } from './client-authorities.ts'
export type { ServerTls, ServerTlsOptions, TlsMaterial } from './server-tls.ts'
export { loadServerTls } from './server-tls.ts'
