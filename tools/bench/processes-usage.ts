// What processes cost: CPU time and resident memory of a whole process group, from /proc on Linux and from ps elsewhere.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'

export interface Usage {
  readonly cpuSeconds: number
  readonly rssBytes: number
}

/** Linux counts CPU time in hundredths of a second (USER_HZ) on every architecture this runs on. */
const ticksPerSecond = 100

/** Usage of each process group, by the id of its leader. Groups without processes are zero. */
export function usageOf(groups: readonly number[]): ReadonlyMap<number, Usage> {
  const found = new Map(groups.map((group) => [group, { cpuSeconds: 0, rssBytes: 0 }]))
  for (const { group, cpuSeconds, rssBytes } of process.platform === 'linux' ? fromProc(found) : fromPs()) {
    const before = found.get(group)
    if (before) found.set(group, { cpuSeconds: before.cpuSeconds + cpuSeconds, rssBytes: before.rssBytes + rssBytes })
  }
  return found
}

interface Sample extends Usage {
  readonly group: number
}

function fromProc(groups: ReadonlyMap<number, Usage>): readonly Sample[] {
  const samples: Sample[] = []
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      // after the program's name, which may hold anything: state, parent, group, ...
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const group = Number(fields[2])
      if (!groups.has(group)) continue
      const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
      const ticks = Number(fields[11]) + Number(fields[12])
      samples.push({ group, cpuSeconds: ticks / ticksPerSecond, rssBytes: Number(resident ?? 0) * 1024 })
    } catch {
      // it ended while being looked at
    }
  }
  return samples
}

/** CPU seconds of one process; 0 when it is gone. */
export function cpuSecondsOf(pid: number): number {
  try {
    if (process.platform !== 'linux') return secondsOf(execFileSync('ps', ['-o', 'time=', '-p', String(pid)], { encoding: 'utf8' }).trim())
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
  } catch {
    return 0
  }
}

function fromPs(): readonly Sample[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pgid=,rss=,time='], { encoding: 'utf8' }).trim().split('\n')
  return lines.map((line) => {
    const [group = '0', rss = '0', time = '0'] = line.trim().split(/\s+/)
    return { group: Number(group), rssBytes: Number(rss) * 1024, cpuSeconds: secondsOf(time) }
  })
}

/** Seconds of what ps prints as CPU time: `[[dd-]hh:]mm:ss[.cc]`. */
export function secondsOf(time: string): number {
  const [days, clock] = time.includes('-') ? time.split('-') : ['0', time]
  return (clock ?? '0').split(':').reduce((total, part) => total * 60 + Number(part), 0) + Number(days) * 86_400
}

/** CPU seconds all processes of this machine have spent since it started. */
export function machineCpuSeconds(): number {
  return cpus().reduce((total, { times }) => total + times.user + times.nice + times.sys, 0) / 1000
}

/** The command line of a process as the system knows it, or nothing. */
export function commandLineOf(pid: number): string {
  try {
    return process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      : execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}
