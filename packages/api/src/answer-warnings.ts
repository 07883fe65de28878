// What the one who asks should know of an answer that is right as far as it goes: fields that were dropped, a replica that was not heard. Said
// wherever it is noticed on the way to the answer, and sent in its `Warning` header (RFC 7234 section 5.5, code 299).
import { AsyncLocalStorage } from 'node:async_hooks'

const collected = new AsyncLocalStorage<Set<string>>()
const most = 20

/** Has the answer that is being made carry this text; said outside of one it is lost. */
export function warnOfAnswer(text: string): void {
  collected.getStore()?.add(text)
}

/** Makes an answer, with what was said on the way, each text once. */
export async function withWarnings<T>(make: () => T | Promise<T>): Promise<{ readonly answer: T; readonly warnings: readonly string[] }> {
  const texts = new Set<string>()
  const answer = await collected.run(texts, async () => make())
  return { answer, warnings: [...texts] }
}

/** One `Warning` header for all, in ASCII as headers are; the first twenty, 300 characters of each. */
export function warningHeader(warnings: readonly string[]): string {
  return warnings
    .slice(0, most)
    .map((text) => `299 - ${JSON.stringify(asciiOf(text))}`)
    .join(', ')
}

function asciiOf(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 300)
}
