// Strings of messages as one piece of memory. protobufjs puts texts of up to 63 bytes together in steps of eight characters, which the engine
// keeps as a tree of pieces: six times the size of the text, for as long as the value lives.
import protobuf from 'protobufjs'

const { utf8 } = protobuf.util
const readInPieces = utf8.readStrict
/** Shorter results of a concatenation are copied by the engine, so they are one piece already. */
const longestCopied = 12
// the native copy behind "latin1" of Buffer, which takes any view of bytes; the types leave it out
const { latin1Slice } = Buffer.prototype as unknown as { latin1Slice(this: Uint8Array, start: number, end: number): string }

/** Makes every reader of this process give flat strings. The texts are the same, malformed UTF-8 is refused the same. */
export function readFlatStrings(): void {
  utf8.readStrict = (bytes, start, end) => {
    if (end - start <= longestCopied || !isAscii(bytes, start, end)) return readInPieces(bytes, start, end)
    return latin1Slice.call(bytes, start, end)
  }
}

function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  let seen = 0
  for (let index = start; index < end; index++) seen |= bytes[index] ?? 0x80
  return seen < 0x80
}
