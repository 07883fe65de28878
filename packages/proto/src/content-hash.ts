import { hash } from 'node:crypto'

/** 32 hex digits that differ whenever the content does. Comparable only between bytes made by the same encoder. */
export function contentHash(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex').slice(0, 32)
}
