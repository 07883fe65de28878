// Child processes of the demo. Each leads a process group of its own, so that nothing it started outlives it.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'

export interface Processes {
  /** Starts a program with its folder and log file under the data folder. */
  start(name: string, program: string, options: { readonly args: readonly string[]; readonly env?: Readonly<Record<string, string>> }): void
  /** SIGKILL, as a crash would. Resolves once it is gone. */
  kill(name: string): Promise<void>
  /** SIGTERM. Resolves once it is gone; SIGKILL after `graceMs`. */
  stop(name: string, graceMs?: number): Promise<void>
  stopAll(): Promise<void>
  /** Folder of one process: its work folder and its log. */
  folder(name: string): string
  pid(name: string): number | undefined
}

/** Processes below one data folder. `onExit` hears of every end that was not asked for. */
export function createProcesses(dataDir: string, onExit: (name: string, code: number | null) => void): Processes {
  const running = new Map<string, ChildProcess>()
  const expected = new Set<ChildProcess>()
  const folder = (name: string): string => join(dataDir, name)
  const signal = (child: ChildProcess, kind: NodeJS.Signals, group: boolean): void => {
    try {
      if (child.pid !== undefined) process.kill(group ? -child.pid : child.pid, kind)
    } catch {
      // it is gone already
    }
  }
  const end = async (name: string, kind: NodeJS.Signals, graceMs: number): Promise<void> => {
    const child = running.get(name)
    if (!child) return
    running.delete(name)
    expected.add(child)
    const gone = new Promise<void>((done) =>
      child.exitCode !== null || child.signalCode !== null ? done() : child.once('exit', () => done()),
    )
    signal(child, kind, kind === 'SIGKILL')
    const forced = setTimeout(() => signal(child, 'SIGKILL', true), graceMs)
    await gone
    clearTimeout(forced)
    signal(child, 'SIGKILL', true)
  }
  process.on('exit', () => {
    for (const child of running.values()) signal(child, 'SIGKILL', true)
  })
  return {
    start: (name, program, { args, env = {} }) => {
      mkdirSync(folder(name), { recursive: true })
      const log = openSync(join(folder(name), 'log'), 'a')
      const child = spawn(program, [...args], {
        cwd: folder(name),
        env: { ...process.env, ...env },
        stdio: ['ignore', log, log],
        detached: true,
      })
      closeSync(log)
      running.set(name, child)
      child.once('error', () => onExit(name, 127))
      child.once('exit', (code) => {
        if (running.get(name) === child) running.delete(name)
        if (!expected.has(child)) onExit(name, code)
      })
    },
    kill: (name) => end(name, 'SIGKILL', 5000),
    stop: (name, graceMs = 8000) => end(name, 'SIGTERM', graceMs),
    stopAll: async () => {
      await Promise.all([...running.keys()].reverse().map((name) => end(name, 'SIGTERM', 8000)))
    },
    folder,
    pid: (name) => running.get(name)?.pid,
  }
}
