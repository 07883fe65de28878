// Peers that misbehave towards global while the real zones work on.
import { randomFillSync } from 'node:crypto'
import { connect as tlsConnect } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { getJson, until } from '../../../apps/demo/src/rest.ts'
import { authorLabel, isObject } from '../canonical.ts'
import { type FaultKind, outOfPatience, pause } from '../fault.ts'
import { keyOf } from '../history.ts'
import { everyMethod, framed, provide, scriptedPeer, subscribe } from '../scripted-peer.ts'
import { admitted, everyType, peerFault, service, whileOpen } from './peer-fault.ts'

/** Fails unless all of these calls end, and none with OK. */
async function allRefused(what: string, ended: readonly Promise<number>[]): Promise<void> {
  const codes = await Promise.race([Promise.all(ended), outOfPatience()])
  if (!codes) throw new Error(`${what}: not every call ended in time`)
  if (codes.includes(0)) throw new Error(`${what}: ended with OK`)
}

/** Another compressed megabyte for each thousand bytes. */
const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024), { level: 9 })

export const peerFaults: readonly FaultKind[] = [
  peerFault('duplicate session', async ({ federation, history }, zone) => {
    const run = Date.now()
    const open = async (id: string) => {
      const peer = await admitted(federation, zone, { id: `${zone}-${id}` })
      const session = `${id} ${run}`
      const { call } = subscribe(peer, everyType, {
        answer: 'ack',
        onResponse: () => history.add({ kind: 'served', zone, session, at: performance.now() }),
      })
      return { peer, call }
    }
    const first = await open('aaaa')
    await pause(500)
    const second = await open('bbbb')
    const over = await Promise.race([first.call.ended, second.call.ended, outOfPatience()])
    if (over === undefined) throw new Error('duplicate session: both go on')
    await pause(700)
    await first.peer[Symbol.asyncDispose]()
    await second.peer[Symbol.asyncDispose]()
  }),
  peerFault('wrong identity', async ({ federation, history }, zone) => {
    await using peer = await admitted(federation, zone)
    const claims = { [authorLabel]: zone, 'kuma.io/zone': 'east', 'kuma.io/origin': 'global', 'kuma.io/mesh': 'default' }
    const resources = [
      service('claims-label', { ...claims, 'kuma.io/display-name': 'claims-label' }),
      service('hand-east', { ...claims, 'kuma.io/display-name': 'hand-east' }),
      service('east.hand-east', { ...claims, 'kuma.io/display-name': 'east.hand-east' }),
      service('svc-0', { ...claims, 'kuma.io/display-name': 'svc-0' }),
    ]
    const provider = provide(peer, (type) => (type === 'MeshService' ? resources : []))
    await whileOpen(provider.call, 'global subscribes', async () => provider.types.size > 10)
    // its own token is none for another zone
    const impostor = peer.call(everyMethod[1] ?? '', { 'client-id': 'east' })
    const unauthenticated = 16
    const code = await impostor.ended
    if (code !== unauthenticated && code !== -1) throw new Error(`wrong identity: a call as east ended with ${code}`)
    await pause(800)
    for (const name of ['claims-label', 'hand-east', 'east.hand-east', 'svc-0'])
      history.add({ kind: 'write', id: 0, place: zone, key: keyOf('MeshService', 'default', zone, name), value: undefined })
    await provider.respond('MeshService', { removedResources: resources.map(({ name }) => name ?? '') })
  }),
  peerFault('garbage frames', async ({ federation }, zone, random) => {
    const ended: Promise<unknown>[] = []
    for (let count = 0; count < 6; count++) {
      // after the handshake: no HTTP/2, and HTTP/2 that turns to garbage
      const socket = tlsConnect({ port: federation.kdsPort, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] })
      socket.on('error', () => {})
      const preface = random.next() < 0.5 ? 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' : ''
      socket.write(preface)
      socket.write(randomFillSync(Buffer.alloc(random.between(16, 40_000))))
      socket.resume()
      ended.push(new Promise((done) => socket.on('close', done)))
    }
    await using peer = await admitted(federation, zone)
    await allRefused(
      'garbage messages',
      everyMethod.slice(0, 5).map((method) => {
        const call = peer.call(method)
        call.send(randomFillSync(Buffer.alloc(random.between(8, 2_000)), 0, 8).fill(0xff, 0, 8))
        return call.ended
      }),
    )
    await Promise.race([Promise.all(ended), outOfPatience().then(() => Promise.reject(new Error('garbage: a connection stays open')))])
  }),
  peerFault('gzip bombs', async ({ federation }, zone) => {
    await using peer = await admitted(federation, zone)
    await allRefused(
      'gzip bombs',
      everyMethod.map((method) => {
        const call = peer.call(method, { 'grpc-encoding': 'gzip' })
        call.sendRaw(framed(bomb, { flag: 1 }))
        return call.ended
      }),
    )
  }),
  peerFault('length of 4 GiB', async ({ federation }, zone) => {
    await using peer = await admitted(federation, zone)
    await allRefused(
      'length of 4 GiB',
      everyMethod.map((method) => {
        const call = peer.call(method)
        call.sendRaw(framed(Buffer.alloc(64), { length: 0xffff_ffff }))
        return call.ended
      }),
    )
  }),
  peerFault('refuses everything', async ({ federation }, zone) => {
    await using peer = await admitted(federation, zone)
    const { counts, call } = subscribe(peer, everyType, { answer: 'nack' })
    await whileOpen(call, 'is sent something', async () => (counts.get('Mesh') ?? 0) > 0)
    await pause(3_000)
    // unchanged, so only its retries
    if ((counts.get('Mesh') ?? 0) > 8) throw new Error(`refuses everything: was sent Mesh ${counts.get('Mesh')} times in 3 s`)
  }),
  peerFault('never answers', async ({ federation }, zone) => {
    await using peer = await admitted(federation, zone)
    const { counts } = subscribe(peer, everyType, { answer: 'nothing' })
    await pause(2_500)
    for (const [type, count] of counts) if (count > 1) throw new Error(`never answers: was sent ${type} ${count} times without an answer`)
  }),
  peerFault('never reads', async ({ federation }, zone) => {
    const peers = await Promise.all([0, 1, 2].map((n) => admitted(federation, `${zone}-${n}`)))
    for (const peer of peers) subscribe(peer, everyType, { answer: 'ack' }).call.stall()
    await pause(2_500)
    for (const peer of peers) await peer[Symbol.asyncDispose]()
  }),
  peerFault('empty store', async ({ federation }, zone) => {
    // an own peer comes back with another store and lists nothing: no evidence
    const appear = (storeId: string) => admitted(federation, zone, { headers: { 'weft-store-id': storeId } })
    const resources = Array.from({ length: 5 }, (_, n) => service(`${zone}-${n}`, { 'kuma.io/display-name': `kept-${n}` }))
    for (const round of [0, 1]) {
      await using peer = await appear(`store-${Date.now()}-${round}`)
      const provider = provide(peer, (type) => (type === 'MeshService' && round === 0 ? resources : []))
      await whileOpen(provider.call, 'global subscribes', async () => provider.types.has('MeshService'))
      await pause(800)
    }
  }),
  peerFault('mass deletion', async ({ federation }, zone) => {
    await using peer = await admitted(federation, zone, { headers: { 'weft-store-id': `store-of-${zone}` } })
    let isOver = false
    const resources = Array.from({ length: 30 }, (_, n) => service(`${zone}-${n}`, { 'kuma.io/display-name': `many-${n}` }))
    const provider = provide(peer, (type) => (type === 'MeshService' ? resources : []))
    void provider.call.ended.then(() => (isOver = true))
    const here = async (): Promise<number> => {
      const list = await getJson(`${federation.plane('global').api}/meshservices?size=1000&filter[labels.kuma.io/zone]=${zone}`)
      return isObject(list) && typeof list['total'] === 'number' ? list['total'] : -1
    }
    await until('all listed', async () => isOver || (await here()) === resources.length)
    await provider.respond('MeshService', { removedResources: resources.slice(1).map(({ name }) => name ?? '') })
    await pause(500)
    // a global that was killed meanwhile has another story
    const left = await here()
    if (!isOver && left !== resources.length && left !== -1) throw new Error(`mass deletion: ${left} of ${resources.length} are left`)
  }),
  peerFault('strangers', async ({ federation }, zone) => {
    const unauthenticated = 16
    for (const authorization of ['', 'Bearer not-a-token', 'Basic eDp5', 'Bearer e30.e30.']) {
      await using peer = scriptedPeer({ port: federation.kdsPort, zone, headers: authorization === '' ? {} : { authorization } })
      // a connection that breaks with global has no status
      for (const code of await Promise.all(everyMethod.map((method) => peer.call(method).ended)))
        if (code !== unauthenticated && code !== -1) throw new Error(`strangers: ${JSON.stringify(authorization)} ended with ${code}`)
    }
    const found = await getJson(`${federation.plane('global').api}/zones/${zone}`)
    if (isObject(found)) throw new Error('strangers: a zone was made for one')
  }),
]
