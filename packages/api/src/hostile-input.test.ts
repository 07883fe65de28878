// What a hostile or broken client can send to the REST port: each case ends in a clear answer or a closed connection, and the server goes on.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type SceneOptions, sceneDeps, timeout } from './api-scene.fixture.ts'
import { createApiServer } from './server.ts'

interface Sent {
  readonly status: number
  readonly text: string
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into bodies freely
  readonly json: Record<string, any> | undefined
}

interface Peer {
  /** Writes bytes to a connection of its own and gives back all that came until it was closed. `end`: closes our half after them. */
  raw(bytes: string | Buffer, more?: { readonly end?: boolean }): Promise<string>
  put(path: string, body: string | Buffer, headers?: Record<string, string>): Promise<Sent>
  get(path: string): Promise<Sent>
}

/** Runs `body` against a listening server with a mesh `m`, and checks that it still answers afterwards. */
async function withPeer(options: SceneOptions, body: (peer: Peer) => Promise<void>): Promise<void> {
  const server = createApiServer(sceneDeps(options))
  await server.start()
  const port = server.httpPort ?? 0
  const base = `http://127.0.0.1:${port}`
  const ask = async (path: string, init?: RequestInit): Promise<Sent> => {
    const answer = await fetch(`${base}${path}`, { ...init, redirect: 'manual' })
    const text = await answer.text()
    return { status: answer.status, text, json: text.startsWith('{') ? JSON.parse(text) : undefined }
  }
  const peer: Peer = {
    raw: (bytes, { end = false } = {}) =>
      new Promise((resolve) => {
        let seen = ''
        const socket = connect(port, '127.0.0.1', () => void (end ? socket.end(bytes) : socket.write(bytes)))
        socket.on('data', (chunk) => (seen += chunk.toString('latin1')))
        // a reset is one of the ways in which a server refuses
        socket.on('error', () => {})
        socket.on('close', () => resolve(seen))
      }),
    put: (path, content, headers = { 'content-type': 'application/json' }) =>
      ask(path, { method: 'PUT', headers, body: typeof content === 'string' ? content : new Uint8Array(content) }),
    get: (path) => ask(path),
  }
  try {
    assert.equal((await peer.put('/meshes/m', '{"type":"Mesh","name":"m"}')).status, 201)
    await body(peer)
    assert.equal((await peer.get('/meshes/m')).status, 200, 'the server still answers')
  } finally {
    await server.stop()
  }
}

const item = '/meshes/m/meshtimeouts/t'

describe('bodies', () => {
  it('malformed JSON is named with its place', () =>
    withPeer({}, async ({ put }) => {
      const cases: readonly [string | Buffer, RegExp][] = [
        ['', /unexpected end of JSON input/],
        ['{', /unexpected end of JSON input/],
        ['{"a":1,}', /invalid character '}' looking for beginning of object key string/],
        ['{"a":tru}', /invalid character '}' in literal true/],
        ['{} x', /invalid character 'x' after top-level value/],
        ['\u0000', /invalid character '\\+u0000'/],
        ['\ufeff{}', /invalid character/],
        [Buffer.from([0xff, 0xfe, 0x7b]), /invalid character/],
        ['"text"', /must be an object, not string/],
        ['[1]', /must be an object, not array/],
        ['null', /must be an object, not null/],
      ]
      for (const [body, expected] of cases) {
        const { status, text, json } = await put(item, body)
        assert.equal(status, 400, String(body))
        assert.match(text, expected)
        assert.match(String(json?.['detail']), /^invalid MeshTimeout object: /)
      }
    }))

  it('another media type is refused before the body is looked at', () =>
    withPeer({}, async ({ put, raw }) => {
      const body = JSON.stringify(timeout('t'))
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx', '']) {
        const { status, text } = await put(item, body, { 'content-type': type })
        assert.deepEqual([status, text], [415, '415: Unsupported Media Type'], type)
      }
      // without the body ever coming
      const answer = await raw(
        `PUT ${item} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: text/x\r\ncontent-length: 9\r\n\r\n`,
        {
          end: true,
        },
      )
      assert.match(answer, /^HTTP\/1\.1 415 /)
    }))

  it('a compressed body is not taken for JSON', () =>
    withPeer({}, async ({ put }) => {
      const answer = await put(item, Buffer.from([0x1f, 0x8b, 8, 0]), { 'content-type': 'application/json', 'content-encoding': 'gzip' })
      assert.equal(answer.status, 400)
    }))

  it('a body over 10 MiB is refused, announced or not', () =>
    withPeer({}, async ({ put, raw }) => {
      const limit = 10 * 1024 * 1024
      const head = `PUT ${item} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`
      assert.match(await raw(`${head}connection: close\r\ncontent-length: ${limit + 1}\r\n\r\n{`, { end: true }), /^HTTP\/1\.1 413 /)
      const chunk = Buffer.alloc(limit + 1, 0x20)
      const chunked = Buffer.concat([
        Buffer.from(`${head}connection: close\r\ntransfer-encoding: chunked\r\n\r\n${chunk.length.toString(16)}\r\n`),
        chunk,
        Buffer.from('\r\n0\r\n\r\n'),
      ])
      assert.match(await raw(chunked), /^HTTP\/1\.1 413 /)
      const largest = Buffer.alloc(limit, 0x20)
      largest.write(JSON.stringify(timeout('t')))
      assert.equal((await put(item, largest)).status, 201, 'as large as allowed')
    }))

  it('deep nesting is no way to the stack', () =>
    withPeer({}, async ({ put }) => {
      const deep = (open: string, close: string, inner = '1'): string => open.repeat(100_000) + inner + close.repeat(100_000)
      const nested = [deep('[', ']'), deep('{"a":', '}'), deep('{"spec":', '}', '{}')]
      for (const value of nested) {
        assert.equal((await put(item, value)).status, 400)
        for (const field of ['labels', 'name', 'spec']) {
          const body = JSON.stringify(timeout('t')).replace(/}$/, `,"${field}":${value}}`)
          assert.equal((await put(item, body)).status, 400, field)
        }
      }
      // a field of free JSON
      const patch = `{"type":"MeshProxyPatch","mesh":"m","name":"p","spec":{"default":{"appendModifications":[{"cluster":{"operation":"Add","value":${nested[0]}}}]}}}`
      assert.equal((await put('/meshes/m/meshproxypatches/p', patch)).status, 400)
      // an unknown field is dropped, however deep
      const { status, json } = await put(item, JSON.stringify(timeout('t')).replace(/}$/, `,"extra":${nested[1]}}`))
      assert.deepEqual([status, json], [201, { warnings: ['unknown field extra was dropped'] }])
    }))

  it('a body of very many mistakes is answered in a few words', () =>
    withPeer({}, async ({ put }) => {
      const many = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`field-${n}`, n]))
      const bodies = [
        ['/meshes/m', { type: 'Mesh', name: 'm', ...many }],
        [item, { ...timeout('t'), ...many }],
        [item, { ...timeout('t'), spec: many }],
        [item, { ...timeout('t'), labels: many }],
        [item, { ...timeout('t'), labels: Object.fromEntries(Object.keys(many).map((key) => [`/${key}`, ''])) }],
      ] as const
      for (const query of ['', '?strict=true']) {
        for (const [path, body] of bodies) {
          const { text } = await put(`${path}${query}`, JSON.stringify(body))
          assert.ok(text.length < 40_000, `${path} ${text.length}`)
        }
      }
    }))

  it('whatever JSON comes, the answer is 200, 201 or 400', () =>
    withPeer({ role: 'standalone' }, async ({ put }) => {
      const anything = fc.jsonValue({ maxDepth: 4 })
      const body = fc.oneof(
        anything,
        fc.record({ type: fc.constant('MeshTimeout'), name: fc.constant('t'), mesh: anything, labels: anything, spec: anything }),
        fc.record({ type: fc.constant('MeshTimeout'), name: anything, labels: fc.dictionary(fc.string(), fc.string()), spec: anything }),
      )
      await fc.assert(
        fc.asyncProperty(body, async (value) => {
          const { status, json } = await put(item, JSON.stringify(value))
          assert.ok([200, 201, 400].includes(status), `${status} ${JSON.stringify(json)}`)
        }),
        { numRuns: 150 },
      )
    }))
})

describe('names', () => {
  it('names of inherited members are ordinary names, or refused ones', () =>
    withPeer({}, async ({ put, get }) => {
      for (const name of ['constructor', 'prototype', 'tostring']) {
        assert.equal((await put(`/meshes/${name}`, `{"type":"Mesh","name":"${name}"}`)).status, 201)
        const path = `/meshes/${name}/meshtimeouts/${name}`
        const policy = { ...timeout(name), mesh: name, labels: { constructor: 'a', toString: 'b' } }
        assert.equal((await put(path, JSON.stringify(policy))).status, 201)
        const { labels } = (await get(path)).json ?? {}
        assert.deepEqual([labels.constructor, labels.toString], ['a', 'b'])
        assert.equal((await get(`/meshtimeouts?filter[labels.constructor]=a&name=${name}`)).json?.['total'], 1)
      }
      for (const name of ['__proto__', 'toString', 'hasOwnProperty', '..', '%2e%2e%2f', 'a%00b', 'a%0d%0ab', '%F0%9F%92%A5']) {
        const body = JSON.stringify({ type: 'Mesh', name: decodeURIComponent(name) })
        const { status } = await put(`/meshes/${name}`, body)
        assert.ok([400, 404, 405].includes(status), `${name} ${status}`)
      }
      assert.equal((await get('/meshes/__proto__')).status, 404)
      assert.equal((await get('/__proto__/constructor')).status, 404)
    }))

  it('a label called __proto__ is refused as a label, wherever it hides', () =>
    withPeer({}, async ({ put }) => {
      const body =
        '{"type":"Mesh","name":"m","labels":{"__proto__":"x"},"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'
      const { status, json } = await put('/meshes/m', body)
      assert.equal(status, 400)
      assert.equal(json?.['invalid_parameters'][0]['field'], 'labels["__proto__"]')
      assert.equal('polluted' in {}, false)
    }))
})

describe('HTTP', () => {
  it('garbage is answered with 400 or a closed connection', () =>
    withPeer({}, async ({ raw }) => {
      const clientHello = Buffer.from('16030100050100000100', 'hex')
      const cases: readonly (readonly [string | Buffer, RegExp])[] = [
        ['GET\r\n\r\n', /^HTTP\/1\.1 400 /],
        ['\0\0\0\0\r\n\r\n', /^HTTP\/1\.1 400 /],
        [clientHello, /^HTTP\/1\.1 400 /],
        ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^(HTTP\/1\.1 4|$)/],
        ['GET / HTTP/9.9\r\n\r\n', /^HTTP\/1\.1 400 /],
        ['GET / HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
        [`GET / HTTP/1.1\r\nhost: x\r\nbig: ${'x'.repeat(40_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
        [`GET /${'x'.repeat(40_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, /^HTTP\/1\.1 4(31|14) /],
        ['GET / HTTP/1.1\r\nhost: x\r\n bad header\r\n\r\n', /^HTTP\/1\.1 400 /],
        // two readings of where a request ends
        [`PUT ${item} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}`, /^HTTP\/1\.1 400 /],
        [`PUT ${item} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, /^HTTP\/1\.1 400 /],
        [
          `PUT ${item} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`,
          /^(HTTP\/1\.1 400 |$)/,
        ],
        [`PUT ${item} HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n`, /^HTTP\/1\.1 400 /],
      ]
      for (const [bytes, expected] of cases) assert.match(await raw(bytes, { end: true }), expected, String(bytes).slice(0, 80))
    }))

  it('a client that leaves in the middle of a body leaves nothing behind', () =>
    withPeer({}, async ({ raw, get }) => {
      await raw(`PUT ${item} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"type"`, { end: true })
      assert.equal((await get(item)).status, 404)
    }))

  it('a client whose headers never end, or whose body never comes, is cut off', () =>
    withPeer({ settings: { readHeaderTimeoutMs: 60, readTimeoutMs: 120 } }, async ({ raw }) => {
      assert.match(await raw('GET / HTTP/1.1\r\nhost: x\r\nslow: '), /^HTTP\/1\.1 408 /)
      assert.match(
        await raw(`PUT ${item} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{`),
        /^HTTP\/1\.1 408 /,
      )
      assert.match(await raw(''), /^HTTP\/1\.1 408 /, 'nothing at all')
    }))

  it('a request without progress is given up', () =>
    withPeer(
      {
        settings: { writeTimeoutMs: 80 },
        deps: { routes: [{ path: '/never', handlers: { GET: () => new Promise(() => {}) } }] },
      },
      async ({ raw }) => {
        assert.equal(await raw('GET /never HTTP/1.1\r\nhost: x\r\n\r\n'), '')
      },
    ))

  it('many requests on one connection are answered in order', () =>
    withPeer({}, async ({ raw }) => {
      const requests = Array.from(
        { length: 200 },
        (_, n) => `GET /meshes/m${n} HTTP/1.1\r\nhost: x\r\n${n === 199 ? 'connection: close\r\n' : ''}\r\n`,
      )
      const answer = await raw(requests.join(''))
      assert.equal(answer.match(/HTTP\/1\.1 404 /g)?.length, 200)
    }))
})
