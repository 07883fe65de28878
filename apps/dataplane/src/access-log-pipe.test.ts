import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { freePort } from '@weft/foundation/net'
import { systemClock } from '@weft/foundation/time'
import { hostPort, readLine, startAccessLogPipe } from './access-log-pipe.ts'

/** A log server that resolves `lines(n)` once it has n lines. */
async function logServer(
  port = 0,
): Promise<{ readonly port: number; lines(count: number): Promise<readonly string[]>; close(): Promise<void> }> {
  let text = ''
  let check = (): void => {}
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('data', (chunk) => {
      text += chunk.toString()
      check()
    })
    socket.on('error', () => {})
  })
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  return {
    // an address of a listening TCP server is always an object
    port: (server.address() as AddressInfo).port,
    lines: (count) =>
      new Promise((done) => {
        check = () => {
          const lines = text.split('\n').slice(0, -1)
          if (lines.length >= count) done(lines)
        }
        check()
      }),
    close: () =>
      new Promise((done) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => done())
      }),
  }
}

describe('access log pipe', () => {
  test('sends lines to their servers, in order, and outlives its writers', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-pipe-'))
    const path = join(folder, 'kuma-al.sock')
    const pipe = startAccessLogPipe(path, { log: silentLogger, clock: systemClock })
    const [one, two] = [await logServer(), await logServer()]
    try {
      const entry = (port: number, message: unknown): string => `${JSON.stringify({ address: `127.0.0.1:${port}`, message })}\n`
      appendFileSync(path, entry(one.port, 'first\n') + 'no entry\n{"address":""}\n' + entry(two.port, { b: '1', a: 'x' }))
      assert.deepEqual(await one.lines(1), ['first'])
      assert.deepEqual(await two.lines(1), ['{"b":"1","a":"x"}'])
      // each append opens and closes the pipe, and may end amid a line
      const line = entry(one.port, 'second')
      appendFileSync(path, line.slice(0, 9))
      appendFileSync(path, line.slice(9))
      assert.deepEqual(await one.lines(2), ['first', 'second'])
    } finally {
      await pipe.close()
      await one.close()
      await two.close()
      assert.equal(existsSync(path), false)
      rmSync(folder, { recursive: true })
    }
  })

  test('keeps lines for a server that is away', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-pipe-'))
    const path = join(folder, 'kuma-al.sock')
    const gone = await logServer(await freePort())
    await gone.close()
    const pipe = startAccessLogPipe(path, { log: silentLogger, clock: systemClock })
    appendFileSync(path, `${JSON.stringify({ address: `tcp://127.0.0.1:${gone.port}`, message: 'kept' })}\n`)
    const back = await logServer(gone.port)
    try {
      assert.deepEqual(await back.lines(1), ['kept'])
    } finally {
      await pipe.close()
      await back.close()
      rmSync(folder, { recursive: true })
    }
  })

  test('reads entries and addresses strictly', () => {
    assert.deepEqual(readLine('{"address":"a:1","message":"x"}'), { address: 'a:1', message: 'x\n' })
    for (const line of ['', 'x', '[]', '{"address":1,"message":"x"}', '{"address":"a:1"}', 'null']) assert.equal(readLine(line), undefined)
    assert.deepEqual(hostPort('[::1]:9000'), { host: '::1', port: 9000 })
    assert.deepEqual(hostPort('tcp://logs.example.com:514/x'), { host: 'logs.example.com', port: 514 })
    for (const address of ['logs', 'logs:', 'logs:0', 'logs:70000', 'a b:1', '::1:9000']) assert.equal(hostPort(address), undefined)
  })
})
