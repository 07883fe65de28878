// Messages on a TCP connection: each after its length in two bytes (RFC 1035 section 4.2.2).

const lengthBytes = 2

/** A message as it goes on the wire. */
export function frameMessage(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(lengthBytes + message.length)
  framed.writeUInt16BE(message.length, 0)
  message.copy(framed, lengthBytes)
  return framed
}

/** Takes chunks as they come and calls `onMessage` for each whole message. Holds at most one message that is not whole. */
export function messageFramer(onMessage: (message: Buffer) => void): (chunk: Buffer) => void {
  let held: Buffer = Buffer.alloc(0)
  return (chunk) => {
    let rest: Buffer = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    while (rest.length >= lengthBytes) {
      const end = lengthBytes + rest.readUInt16BE(0)
      if (rest.length < end) break
      onMessage(rest.subarray(lengthBytes, end))
      rest = rest.subarray(end)
    }
    // a copy, so that what is held does not keep the chunk alive
    held = Buffer.from(rest)
  }
}
