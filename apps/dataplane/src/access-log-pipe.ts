// Log lines for TCP servers: Envoy writes `{address, message}` objects into a pipe, one on a line, and here they go on to their servers. A server that is
// slow or away costs its own lines only.
import { spawnSync } from 'node:child_process'
import { constants, openSync, rmSync } from 'node:fs'
import { connect, Socket } from 'node:net'
import { AppError, messageOf } from '@weft/foundation/errors'
import { field } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'

export interface AccessLogPipe {
  close(): Promise<void>
}

/** Lines waiting for one server, in bytes; the oldest beyond are dropped and counted. */
const maxWaitingBytes = 1024 * 1024
/** A longer line is not one of Envoy's. */
const maxLineBytes = 1024 * 1024
const firstRetryMs = 250
const lastRetryMs = 10_000

/** Makes the pipe and serves it until closed. Must be called before Envoy starts: Envoy would make a plain file. */
export function startAccessLogPipe(path: string, { log, clock }: { readonly log: Logger; readonly clock: Clock }): AccessLogPipe {
  rmSync(path, { force: true })
  const made = spawnSync('mkfifo', ['-m', '0666', path], { encoding: 'utf8' })
  if (made.status !== 0) throw new AppError('process/pipe-failed', `cannot make the access log pipe ${path}: ${made.stderr || 'no mkfifo'}`)
  // opened for writing too, so that it never ends when Envoy closes its side
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  const pipe = new Socket({ fd, readable: true, writable: false })
  const servers = new Map<string, LogServer>()
  const send = (line: string): void => {
    const entry = readLine(line)
    if (entry === undefined) {
      log.warn({ component: 'dp.access-log' }, 'line in the access log pipe is no log entry')
      return
    }
    let server = servers.get(entry.address)
    if (server === undefined) {
      server = createLogServer(entry.address, { log, clock })
      servers.set(entry.address, server)
    }
    server.send(entry.message)
  }
  let rest = ''
  pipe.setEncoding('utf8')
  pipe.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > maxLineBytes) rest = ''
    for (const line of lines) if (line !== '') send(line)
  })
  pipe.on('error', (error) => log.warn({ component: 'dp.access-log', err: error.message }, 'access log pipe failed'))
  return {
    close: async () => {
      const closed = new Promise<void>((done) => pipe.once('close', () => done()))
      pipe.destroy()
      await closed
      for (const server of servers.values()) server.close()
      rmSync(path, { force: true })
    },
  }
}

/** One entry: its server and the text to write, which ends its line. */
export function readLine(line: string): { readonly address: string; readonly message: string } | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  const address = field(value, 'address')
  const message = field(value, 'message')
  if (typeof address !== 'string' || address === '' || message === undefined) return undefined
  const text = typeof message === 'string' ? message : JSON.stringify(message)
  return { address, message: text.endsWith('\n') ? text : `${text}\n` }
}

interface LogServer {
  send(message: string): void
  close(): void
}

function createLogServer(address: string, { log, clock }: { readonly log: Logger; readonly clock: Clock }): LogServer {
  const target = hostPort(address)
  let waiting: string[] = []
  let waitingBytes = 0
  let dropped = 0
  let retryMs = firstRetryMs
  let socket: Socket | undefined
  let isOpen = false
  let closed = false

  const flush = (): void => {
    if (!isOpen || socket === undefined || waiting.length === 0) return
    if (dropped > 0)
      log.warn({ component: 'dp.access-log', address, count: dropped }, 'log lines were dropped, their server was away or slow')
    dropped = 0
    const text = waiting.join('')
    waiting = []
    waitingBytes = 0
    isOpen = socket.write(text)
  }
  const open = (): void => {
    if (closed || target === undefined) return
    const opened = connect(target)
    socket = opened
    opened.on('connect', () => {
      retryMs = firstRetryMs
      isOpen = true
      flush()
    })
    opened.on('drain', () => {
      isOpen = true
      flush()
    })
    opened.on('error', (error) => log.debug({ component: 'dp.access-log', address, err: messageOf(error) }, 'log server not reachable'))
    opened.on('close', () => {
      isOpen = false
      socket = undefined
      if (closed) return
      clock.after(retryMs, open)
      retryMs = Math.min(retryMs * 2, lastRetryMs)
    })
    // what it says is of no interest, but its end is
    opened.resume()
  }
  if (target === undefined) log.warn({ component: 'dp.access-log', address }, 'log server has no host and port')
  open()
  return {
    send: (message) => {
      if (target === undefined) return
      waiting.push(message)
      waitingBytes += message.length
      while (waitingBytes > maxWaitingBytes) {
        waitingBytes -= waiting.shift()?.length ?? 0
        dropped++
      }
      flush()
    },
    close: () => {
      closed = true
      socket?.destroy()
    },
  }
}

/** `host:port`, with or without a scheme. */
export function hostPort(address: string): { readonly host: string; readonly port: number } | undefined {
  const found = /^(?:[a-z]+:\/\/)?(\[[0-9a-fA-F:.]+\]|[^:/\s]+):(\d{1,5})(?:\/.*)?$/.exec(address)
  const port = Number(found?.[2])
  if (found?.[1] === undefined || port < 1 || port > 65535) return undefined
  return { host: found[1].replace(/^\[|\]$/g, ''), port }
}
