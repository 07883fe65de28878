// Runs a program with the repository as its folder and inherits the terminal.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'

/** The repository's root folder. */
export const root: string = dirname(import.meta.dirname)

/** Runs a program of node_modules/.bin (or any on PATH) and answers whether it succeeded. */
export function run(program: string, args: readonly string[]): boolean {
  const path = `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`
  const done = spawnSync(program, [...args], { cwd: root, stdio: 'inherit', env: { ...process.env, PATH: path } })
  if (done.error) process.stderr.write(`${program}: ${done.error.message}\n`)
  return done.status === 0
}
