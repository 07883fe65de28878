// Probes over real sockets: what answers, what only accepts, what is not there.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { test } from 'node:test'
import { FakeClock } from '@weft/foundation/time'
import { ingressProbe } from '@weft/resources'
import { clientHello } from './client-hello.ts'
import { createProbe } from './probe.ts'

/** What a busy machine is late with is no verdict: no time passes. */
const probe = createProbe(new FakeClock())

async function listening(
  onSocket: (socket: Socket) => void,
): Promise<AsyncDisposable & { readonly port: number; readonly server: Server }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    server,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

const target = (port: number, expectsAnswer = false) => ({ address: '127.0.0.1', port, expectsAnswer })

test('the hello is one that a TLS server understands, with the reserved name', async () => {
  let seen: string | undefined
  const server = createTlsServer({
    SNICallback: (name, done) => {
      seen = name
      done(new Error('no certificate here'))
    },
  })
  server.on('tlsClientError', () => {})
  await using front = await listening((socket) => server.emit('connection', socket))
  const result = await probe(target(front.port))
  assert.equal(seen, ingressProbe.serverName)
  assert.equal(result.ok && !result.answered, true, 'an ingress that does not know the name is reachable all the same')
  assert.equal(clientHello('a'.repeat(253)).length > 253, true)
})

test('an ingress that answers is known as one that does, and has to go on', async () => {
  let isDead = false
  await using front = await listening((socket) => {
    if (!isDead) socket.end(ingressProbe.answer)
    else socket.once('data', () => socket.destroy())
  })
  const first = await probe(target(front.port))
  assert.ok(first.ok && first.answered && first.roundTripMs >= 0)
  isDead = true
  const second = await probe(target(front.port, true))
  assert.deepEqual(second, { ok: false, problem: 'it accepts connections but does not answer' })
})

test('a port that is closed, and an answer that is another one', async () => {
  const front = await listening((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  assert.deepEqual((await probe(target(front.port, true))).ok, false)
  const other = await probe(target(front.port))
  assert.equal(other.ok && !other.answered, true)
  await front[Symbol.asyncDispose]()
  await once(front.server, 'close')
  const closed = await probe(target(front.port))
  assert.ok(!closed.ok)
  assert.match(closed.problem, /ECONNREFUSED/)
})
