// Address ranges as Envoy takes them: the address without the bits that the prefix leaves out.
import { isIP, SocketAddress } from 'node:net'

/** A range of addresses. */
export interface Cidr {
  readonly family: 4 | 6
  readonly address: string
  readonly bits: number
}

/** Reads `address/bits`; undefined when it is none. */
export function canonicalCidr(text: string): Cidr | undefined {
  const [address = '', bitsText = '', ...rest] = text.split('/')
  const family = isIP(address)
  const bits = Number(bitsText)
  if (family === 0 || rest.length > 0 || !/^\d{1,3}$/.test(bitsText) || bits > (family === 4 ? 32 : 128)) return undefined
  return family === 4 ? { family, address: masked4(address, bits), bits } : { family: 6, address: masked6(address, bits), bits }
}

function masked4(address: string, bits: number): string {
  const bytes = address.split('.').map(Number)
  return bytes.map((byte, index) => byte & byteMask(bits - index * 8)).join('.')
}

function masked6(address: string, bits: number): string {
  const groups = expanded(address)
  const kept = groups.map((group, index) => {
    const left = bits - index * 16
    return group & ((byteMask(left) << 8) | byteMask(left - 8))
  })
  // the platform prints the short form
  return new SocketAddress({ family: 'ipv6', address: kept.map((group) => group.toString(16)).join(':') }).address
}

function byteMask(bits: number): number {
  return bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff
}

/** The eight groups of an IPv6 address. */
function expanded(address: string): readonly number[] {
  const [plain = ''] = address.split('%')
  const [head = '', tail] = plain.split('::')
  const left = groupsOf(head)
  const right = tail === undefined ? [] : groupsOf(tail)
  const missing = tail === undefined ? 0 : 8 - left.length - right.length
  return [...left, ...Array.from({ length: missing }, () => 0), ...right]
}

function groupsOf(text: string): readonly number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [(a << 8) | b, (c << 8) | d]
  })
}
