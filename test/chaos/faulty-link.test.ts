// The bad network itself: what it holds back, delays and breaks, and that it changes nothing.
import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { faultyLink, type FaultyLink } from './faulty-link.ts'

interface Ends {
  readonly link: FaultyLink
  readonly near: Socket
  readonly far: Socket
  readonly heard: () => string
}

async function withLink(run: (ends: Ends) => Promise<void>): Promise<void> {
  const accepted = Promise.withResolvers<Socket>()
  const server = createServer((socket) => accepted.resolve(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  await using link = await faultyLink(typeof address === 'object' && address ? address.port : 0)
  const near = connect(link.port, '127.0.0.1')
  near.on('error', () => {})
  const far = await accepted.promise
  far.on('error', () => {})
  let heard = ''
  far.on('data', (bytes: Buffer) => (heard += bytes.toString()))
  try {
    await run({ link, near, far, heard: () => heard })
  } finally {
    near.destroy()
    far.destroy()
    server.close()
  }
}

const echoed = (far: Socket, near: Socket): Promise<unknown> => {
  far.write('pong')
  return once(near, 'data')
}

/** Unlike `once`, content with an end by an error. */
const closed = (socket: Socket): Promise<void> => new Promise((done) => void socket.once('close', () => done()))

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((next) => setTimeout(next, 2))
}

test('a partition holds everything back and delivers it when it heals, ends of connections too', () =>
  withLink(async ({ link, near, far, heard }) => {
    link.partition()
    near.end('ping')
    await new Promise((next) => setTimeout(next, 40))
    assert.equal(heard(), '')
    link.heal()
    await once(far, 'end')
    assert.equal(heard(), 'ping')
  }))

test('one-way loss lets the other way through', () =>
  withLink(async ({ link, near, far, heard }) => {
    link.partition(['up'])
    near.write('ping')
    await echoed(far, near)
    assert.equal(heard(), '')
    link.heal()
    await until(() => heard() === 'ping')
  }))

test('delay and a slow reader take the time they say', () =>
  withLink(async ({ link, near, heard }) => {
    const started = performance.now()
    link.delay(50)
    near.write('ping')
    await until(() => heard() === 'ping')
    assert.ok(performance.now() - started >= 49)
    link.heal()
    link.slow(20_000)
    const slowAt = performance.now()
    near.write('x'.repeat(2_000))
    await until(() => heard().length === 2_004)
    assert.ok(performance.now() - slowAt >= 40)
  }))

test('a reset is heard at both ends, a half-open connection only by who dialled', () =>
  withLink(async ({ link, near, far }) => {
    link.halfOpen()
    await closed(near)
    await new Promise((next) => setTimeout(next, 20))
    assert.equal(far.destroyed, false)
    link.heal()
    await closed(far)
    assert.equal(link.connections, 0)
  }))

test('a reset is heard at both ends', () =>
  withLink(async ({ link, near, far }) => {
    const both = [closed(near), closed(far)]
    link.reset()
    await Promise.all(both)
  }))
