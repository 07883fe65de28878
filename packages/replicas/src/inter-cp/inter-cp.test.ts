import assert from 'node:assert/strict'
import { connect as connectHttp2 } from 'node:http2'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { after, describe, it } from 'node:test'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { AppError } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { type Clock, FakeClock, systemClock } from '@weft/foundation/time'
import { issueReplicaIdentity, type ReplicaIdentity } from '@weft/identity'
import { maxBodyBytes } from '../answer.ts'
import type { Member } from '../contract.ts'
import { createInterCpPath, type InterCpPath } from './inter-cp-path.ts'
import { createInterCpServer } from './inter-cp-server.ts'
import type { ReplicaTls } from './inter-cp-tls.ts'

type AuthorityStore = Parameters<typeof issueReplicaIdentity>[0]['store']

/** A store for one authority. */
function authorityStore(): AuthorityStore {
  const kept = new Map<string, { readonly spec: unknown }>()
  const store: Pick<AuthorityStore, 'transact'> & { get(key: { readonly name: string }): unknown } = {
    get: ({ name }) => kept.get(name),
    transact: async (ops) => {
      for (const { resource } of ops) kept.set(resource.name, resource)
      return 1
    },
  }
  // the issuer of certificates uses no more than this
  return store as unknown as AuthorityStore
}

const identityOf = (store: AuthorityStore, instanceId: string, clock: Clock = systemClock): Promise<ReplicaIdentity> =>
  issueReplicaIdentity({ store, clock, instanceId })

interface Changing extends ReplicaTls {
  readonly current: ReplicaIdentity
  replace(next: ReplicaIdentity): void
}

function changing(current: ReplicaIdentity): Changing {
  const listeners = new Set<(next: ReplicaIdentity) => void>()
  return {
    get current() {
      return current
    },
    onChange: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    replace: (next) => {
      current = next
      for (const listener of listeners) listener(next)
    },
  }
}

interface Node {
  readonly id: string
  readonly path: InterCpPath
  readonly port: number
  readonly tls: Changing
}

async function cluster(ids: readonly string[], clockOf: (id: string) => Clock = () => systemClock) {
  const store = authorityStore()
  const members = new Map<string, Member>()
  const nodes: Node[] = []
  for (const id of ids) {
    const tls = changing(await identityOf(store, id, clockOf(id)))
    const path = createInterCpPath({
      host: '127.0.0.1',
      port: 0,
      tls,
      clock: systemClock,
      log: silentLogger,
      member: (instanceId) => members.get(instanceId),
    })
    const port = await path.listen()
    members.set(id, { instanceId: id, address: { host: '127.0.0.1', port } })
    nodes.push({ id, path, port, tls })
  }
  return {
    store,
    members,
    nodes,
    node: (at: number): Node => {
      const found = nodes[at]
      assert.ok(found)
      return found
    },
    close: () => Promise.all(nodes.map(({ path }) => path.close())),
  }
}

const request = (topic: string, text = '', limitMs = 60_000) => ({ topic, body: Buffer.from(text), limitMs })

describe('the inter-CP port', async () => {
  const replicas = await cluster(['one-1111', 'two-2222'])
  after(() => replicas.close())
  const [one, two] = [replicas.node(0), replicas.node(1)]
  two.path.serve('echo', async (body, from) => Buffer.concat([Buffer.from(`${from}: `), body]))
  two.path.serve('refuse', async () => {
    throw new AppError('kds/not-connected', 'zone east is not here', { details: { zone: 'east' }, retryable: true })
  })
  two.path.serve('fail', async () => {
    throw new Error('broken')
  })
  two.path.serve('silent', () => new Promise(() => {}))
  two.path.serve('large', async (body) => new Uint8Array(Number(Buffer.from(body).toString())))

  it('answers questions of another replica, whose name its certificate tells', async () => {
    assert.equal(Buffer.from(await one.path.ask('two-2222', request('echo', 'hello'))).toString(), 'one-1111: hello')
    assert.equal((await one.path.ask('two-2222', request('echo'))).length, 'one-1111: '.length)
  })

  it('keeps the code, the message and the details of an error', async () => {
    await assert.rejects(one.path.ask('two-2222', request('refuse')), {
      code: 'kds/not-connected',
      message: 'zone east is not here',
      details: { zone: 'east' },
      retryable: true,
    })
    await assert.rejects(one.path.ask('two-2222', request('fail')), { code: 'replicas/failed', message: 'broken' })
    await assert.rejects(one.path.ask('two-2222', request('nothing')), { code: 'replicas/failed' })
  })

  it('tells a replica that does not answer from one that cannot be reached', async () => {
    await assert.rejects(one.path.ask('two-2222', request('silent', '', 50)), { code: 'replicas/timeout' })
    await assert.rejects(one.path.ask('nobody', request('echo')), { code: 'replicas/unreachable' })
    const gone = await cluster(['gone-1'])
    await gone.close()
    replicas.members.set('gone-1', { instanceId: 'gone-1', address: { host: '127.0.0.1', port: gone.node(0).port } })
    await assert.rejects(one.path.ask('gone-1', request('echo')), { code: 'replicas/unreachable' })
  })

  it('takes bodies up to the limit, and refuses larger ones at either end without ending anything', async () => {
    assert.equal((await one.path.ask('two-2222', request('large', String(maxBodyBytes)))).length, maxBodyBytes)
    await assert.rejects(one.path.ask('two-2222', request('large', String(maxBodyBytes + 1))), { code: 'replicas/too-large' })
    await assert.rejects(one.path.ask('two-2222', { topic: 'echo', body: new Uint8Array(maxBodyBytes + 1), limitMs: 60_000 }), {
      code: 'replicas/too-large',
    })
    await one.path.ask('two-2222', request('echo', 'still here'))
  })

  it('does not talk to another instance at the address of the one that is meant', async () => {
    replicas.members.set('old-0000', { instanceId: 'old-0000', address: { host: '127.0.0.1', port: two.port } })
    await assert.rejects(one.path.ask('old-0000', request('echo')), { code: 'replicas/unreachable' })
  })

  it('ends no other question when one has no answer', async () => {
    const held = Promise.withResolvers<Uint8Array>()
    const asked = Promise.withResolvers<void>()
    two.path.serve('held', () => {
      asked.resolve()
      return held.promise
    })
    const answer = one.path.ask('two-2222', request('held'))
    await asked.promise
    await assert.rejects(one.path.ask('two-2222', request('silent', '', 50)), { code: 'replicas/timeout' })
    await one.path.ask('two-2222', request('echo', 'meanwhile'))
    held.resolve(Buffer.from('late'))
    assert.equal(Buffer.from(await answer).toString(), 'late')
  })

  it('dials anew after a question without an answer, in case that the connection is half-open', async () => {
    const taken: Socket[] = []
    const way = createServer((socket) => {
      const on = connect(two.port, '127.0.0.1')
      for (const end of [socket, on]) {
        end.on('error', () => {})
        taken.push(end)
      }
      socket.pipe(on).pipe(socket)
    })
    await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve))
    // a TCP server has an address with a port
    const { port } = way.address() as AddressInfo
    const before = replicas.members.get('two-2222')
    assert.ok(before)
    replicas.members.set('two-2222', { instanceId: 'two-2222', address: { host: '127.0.0.1', port } })
    try {
      await one.path.ask('two-2222', request('echo', 'there'))
      assert.equal(taken.length, 2)
      for (const socket of taken) socket.unpipe().pause()
      await assert.rejects(one.path.ask('two-2222', request('echo', 'lost', 50)), { code: 'replicas/timeout' })
      await one.path.ask('two-2222', request('echo', 'again'))
      assert.equal(taken.length, 4)
    } finally {
      replicas.members.set('two-2222', before)
      for (const socket of taken) socket.destroy()
      way.close()
    }
  })

  it('takes and gives answers where clocks are minutes apart, whoever made the authority', async () => {
    const ahead = new FakeClock(Date.now() + 240_000)
    const ids = ['fast-1', 'slow-2']
    for (const order of [ids, ids.toReversed()]) {
      const apart = await cluster(order, (id) => (id.startsWith('fast') ? ahead : systemClock))
      try {
        for (const { path, id } of apart.nodes) {
          const other = order.find((each) => each !== id) ?? ''
          apart.nodes.find((node) => node.id === other)?.path.serve('name', async () => Buffer.from(other))
          assert.equal(Buffer.from(await path.ask(other, request('name'))).toString(), other)
        }
      } finally {
        await apart.close()
      }
    }
  })

  describe('towards strangers', () => {
    /** The status of a request over HTTP/2, or what ended the connection. */
    const knock = (options: ConnectionOptions): Promise<string> =>
      new Promise((resolve) => {
        const session = connectHttp2(`https://127.0.0.1:${two.port}`, { rejectUnauthorized: false, ...options })
        const done = (what: string): void => {
          session.destroy()
          resolve(what)
        }
        session.on('error', () => done('refused'))
        session.on('close', () => done('refused'))
        const call = session.request({
          ':method': 'POST',
          ':path': '/weft.replica.v1.ReplicaService/Ask',
          'content-type': 'application/grpc',
        })
        call.on('response', (headers) => done(`status ${String(headers[':status'])} grpc ${String(headers['grpc-status'] ?? '')}`))
        call.on('error', () => done('refused'))
        call.end(Buffer.from([0, 0, 0, 0, 0]))
      })

    it('takes nobody without a certificate, nor with one of another authority', async () => {
      assert.equal(await knock({}), 'refused')
      const other = await identityOf(authorityStore(), 'one-1111')
      assert.equal(await knock({ cert: other.client.certificatePem, key: other.client.privateKeyPem }), 'refused')
    })

    it('takes no certificate that is meant for a port', async () => {
      const { server } = one.tls.current
      assert.equal(await knock({ cert: server.certificatePem, key: server.privateKeyPem }), 'refused')
    })

    it('refuses what is no question of one that may ask', async () => {
      const { client } = one.tls.current
      const own = { cert: client.certificatePem, key: client.privateKeyPem }
      // the empty question has a topic that nobody answers: its answer holds the error
      assert.match(await knock(own), /^status 200/)
    })

    it('ends connections that bring garbage, and goes on', async () => {
      const ended = (socket: ReturnType<typeof connect>): Promise<void> =>
        new Promise((resolve) => {
          socket.on('error', () => {})
          socket.on('close', () => resolve())
          socket.resume()
        })
      const plain = connect(two.port, '127.0.0.1')
      plain.write('GET / HTTP/1.1\r\n\r\n')
      await ended(plain)
      const { client } = one.tls.current
      const http1 = connectTls({
        port: two.port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        cert: client.certificatePem,
        key: client.privateKeyPem,
        ALPNProtocols: ['http/1.1'],
      })
      await ended(http1)
      const noise = connectTls({
        port: two.port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        cert: client.certificatePem,
        key: client.privateKeyPem,
        ALPNProtocols: ['h2'],
      })
      noise.write(Buffer.alloc(4096, 0xff))
      await ended(noise)
      await one.path.ask('two-2222', request('echo', 'still here'))
    })
  })

  it('follows a new authority: the old one opens nothing any more', async () => {
    const next = authorityStore()
    const old = one.tls.current
    two.tls.replace(await identityOf(next, 'two-2222'))
    await assert.rejects(one.path.ask('two-2222', request('echo')), { code: 'replicas/unreachable' })
    one.tls.replace(await identityOf(next, 'one-1111'))
    await one.path.ask('two-2222', request('echo', 'again'))
    two.tls.replace(await identityOf(replicas.store, 'two-2222'))
    one.tls.replace(old)
    await one.path.ask('two-2222', request('echo', 'and back'))
  })
})

it('a replica that is silent is cut off within ten seconds, and not for a pause of this process', async () => {
  const clock = new FakeClock(Date.now())
  const tls = changing(await identityOf(authorityStore(), 'one-1111'))
  const server = createInterCpServer({ host: '127.0.0.1', port: 0, tls, clock, log: silentLogger, handler: () => undefined })
  const { client } = tls.current
  const socket = connectTls({
    port: await server.listen(),
    host: '127.0.0.1',
    rejectUnauthorized: false,
    cert: client.certificatePem,
    key: client.privateKeyPem,
    ALPNProtocols: ['h2'],
  })
  try {
    socket.on('error', () => {})
    let isClosed = false
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    void closed.then(() => (isClosed = true))
    // it is taken once the port speaks HTTP/2 to it
    await new Promise<void>((resolve) => socket.once('data', () => resolve()))
    const pass = (seconds: number): void => {
      for (let second = 0; second < seconds; second += 1) clock.advance(1000)
    }
    for (let pauses = 0; pauses < 3; pauses += 1) {
      clock.stall(60_000)
      pass(1)
    }
    pass(4)
    // had it been cut off, the end would have come before this answer
    await refusedOnce(socket.remotePort ?? 0)
    assert.equal(isClosed, false)
    pass(6)
    await closed
  } finally {
    socket.destroy()
    await server.close(0)
  }
})

/** Resolves once a connection without a certificate was ended. */
function refusedOnce(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] })
    socket.on('error', () => {})
    socket.on('close', () => resolve())
    socket.resume()
  })
}
