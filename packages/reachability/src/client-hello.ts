// The first message of a TLS handshake with a server name, and nothing more: enough for an ingress to choose a filter chain. What comes back
// from a chain that does not speak TLS is plain text, which a TLS library would hide.
import { randomBytes } from 'node:crypto'

/** A ClientHello for a server name of at most 253 ASCII characters. */
export function clientHello(serverName: string): Buffer {
  const name = Buffer.from(serverName, 'ascii')
  const serverNames = extension(0, sized(2, Buffer.concat([Buffer.from([0]), sized(2, name)])))
  const groups = extension(10, sized(2, Buffer.from([0x00, 0x1d, 0x00, 0x17])))
  const signatures = extension(13, sized(2, Buffer.from([0x04, 0x03, 0x08, 0x04])))
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    randomBytes(32),
    Buffer.from([0]),
    sized(2, Buffer.from([0xc0, 0x2b, 0xc0, 0x2f])),
    Buffer.from([1, 0]),
    sized(2, Buffer.concat([serverNames, groups, signatures])),
  ])
  return Buffer.concat([Buffer.from([22, 3, 1]), sized(2, Buffer.concat([Buffer.from([1]), sized(3, body)]))])
}

function extension(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type >> 8, type & 0xff]), sized(2, body)])
}

/** Bytes after their length in `width` bytes. */
function sized(width: number, body: Buffer): Buffer {
  const length = Buffer.alloc(width)
  length.writeUIntBE(body.length, 0, width)
  return Buffer.concat([length, body])
}
