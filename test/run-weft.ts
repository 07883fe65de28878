// The command line as its users run it, for tests.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { root } from '../tools/run-command.ts'

export interface WeftResult {
  /** Exit code; -1 when a signal ended it. */
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs `weft` to its end, with these variables beside those of the test. */
export async function runWeft(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<WeftResult> {
  const child = spawn(join(root, 'weft'), args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number>((done) => child.on('close', (status) => done(status ?? -1))),
  ])
  return { code, out, err }
}
