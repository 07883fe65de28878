// The stock programs behind WEFT_REFERENCE, which tests of interoperability run as peers. They are never part of the product.
import { existsSync } from 'node:fs'
import { join } from 'node:path'

const folder = process.env['WEFT_REFERENCE'] ?? ''

/** Paths of the programs. */
export const stock = {
  controlPlane: join(folder, 'kuma-cp'),
  dataplane: join(folder, 'kuma-dp'),
  cli: join(folder, 'kumactl'),
} as const

/** The Envoy binary, or ''. */
export const envoy: string = process.env['ENVOY_PATH'] ?? ''

/** For `skip`: false when the stock programs are here, otherwise one line that says what is missing. */
export const withoutStock: string | false =
  folder !== '' && existsSync(stock.controlPlane) ? false : 'WEFT_REFERENCE is not a folder with kuma-cp, kuma-dp and kumactl'

/** The same for tests that need an Envoy too. */
export const withoutProxies: string | false = withoutStock || (envoy !== '' && existsSync(envoy) ? false : 'ENVOY_PATH is not set')
