// A real server program for tests: on a port of loopback that stays its own over restarts, gone with the test.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '@weft/foundation/net'
import { until } from './until.ts'

export interface ServerProcess {
  readonly port: number
  /** Starts it, again on the same port, and waits until it takes connections. */
  start(): Promise<void>
  /** Ends it as a crash does. */
  kill(): Promise<void>
  /** Holds it still (SIGSTOP) and resolves when it is: connections stay open, nothing is answered. */
  pause(): Promise<void>
  resume(): void
}

export interface ServerProgram {
  readonly program: string
  /** The package that has it. */
  readonly package: string
  args(port: number): readonly string[]
  readonly cwd: string
  /** The line of its output that says that it takes connections. */
  readonly isReady: (line: string) => boolean
}

/** The program's path, or undefined. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** Why tests with this program are skipped, or false when it is there. Where CI=true they are never skipped: a missing one fails them. */
export function without(program: string): string | false {
  if (findProgram(program) !== undefined || process.env['CI'] === 'true') return false
  return `no ${program} on this machine (apt-get install ${program})`
}

/** Starts it. Throws when the program is not installed. */
export async function startServerProcess(options: ServerProgram): Promise<ServerProcess> {
  const path = findProgram(options.program)
  if (path === undefined) throw new Error(`${options.program} is not installed: apt-get install ${options.package}`)
  let port = await freePort()
  let child: ChildProcess | undefined
  const start = async (): Promise<void> => {
    child = await launch(path, options, port)
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      await start()
      break
    } catch (error) {
      if (attempt === 5) throw error
      // another process took the port between the look and the start
      port = await freePort()
    }
  }
  return {
    port,
    start,
    kill: async () => {
      const running = child
      child = undefined
      if (!running || running.exitCode !== null || running.signalCode !== null) return
      const exited = once(running, 'exit')
      running.kill('SIGKILL')
      await exited
    },
    pause: async () => {
      const pid = child?.pid
      if (pid === undefined) return
      process.kill(pid, 'SIGSTOP')
      await until('it stands still', () => isStopped(pid))
    },
    resume: () => void child?.kill('SIGCONT'),
  }
}

/** Whether no thread of the process runs any more: the signal is sent to one, and Linux stops the others only when that one takes it. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`
  // systems without this folder stop a process as a whole
  if (!existsSync(tasks)) return true
  return readdirSync(tasks).every((task) => /\) [TX] /.test(readFileSync(join(tasks, task, 'stat'), 'utf8')))
}

async function launch(path: string, options: ServerProgram, port: number): Promise<ChildProcess> {
  const child = spawn(path, [...options.args(port)], { stdio: ['ignore', 'pipe', 'pipe'], cwd: options.cwd })
  const lines: string[] = []
  const ready = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`${options.program} ended at its start:\n${lines.slice(-10).join('\n')}`)))
    // read to the end, also when nobody waits any more: a full pipe would stop the server
    for (const output of [child.stdout, child.stderr]) {
      createInterface({ input: output }).on('line', (line) => {
        if (lines.push(line) > 100) lines.shift()
        if (options.isReady(line)) resolve()
      })
    }
  })
  const stopWithUs = (): void => void child.kill('SIGKILL')
  process.once('exit', stopWithUs)
  child.once('exit', () => process.removeListener('exit', stopWithUs))
  await ready
  return child
}
