// Runs the writing process and kills it (SIGKILL) in the middle of its work.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface DoomedWriter {
  readonly driver: 'embedded' | 'postgres'
  /** Folder, or settings as JSON. */
  readonly place: string
  readonly round: number
  /** Acknowledged writes after which it is killed. */
  readonly lines: number
}

/** Resolves with what was acknowledged before the end. */
export async function writeUntilKilled(writer: DoomedWriter): Promise<readonly { readonly name: string; readonly n: number }[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'writer.ts'), writer.driver, writer.place, String(writer.round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const seen: { name: string; n: number }[] = []
  const exited = once(child, 'exit')
  for await (const line of createInterface({ input: child.stdout })) {
    const [name, n] = line.split(' ')
    if (name && n) seen.push({ name, n: Number(n) })
    if (seen.length === writer.lines) child.kill('SIGKILL')
  }
  await exited
  assert.ok(seen.length >= writer.lines)
  return seen
}
