import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, connect, createServer, type ServerHttp2Stream } from 'node:http2'
import { buffer } from 'node:stream/consumers'
import { it } from 'node:test'
import { sliceBytes, sliceWritesTo } from './write-slices.ts'

/** A server of HTTP/2 whose streams are served by `serve`, and the sizes of what each path handed to HTTP/2 at once. */
async function scene(serve: (stream: ServerHttp2Stream, path: string) => void) {
  const handed = new Map<string, number[]>()
  const server = createServer()
  const stop = sliceWritesTo(new Set(['/sliced']))
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const sizes: number[] = []
    const path = String(headers[':path'])
    handed.set(path, sizes)
    for (const method of ['_write', '_writev'] as const) {
      const hand = stream[method]
      if (!hand) continue
      stream[method] = (chunks: string | Uint8Array | readonly { readonly chunk: Uint8Array }[], ...rest: readonly unknown[]): void => {
        const parts = Array.isArray(chunks) ? chunks.map(({ chunk }) => chunk) : [chunks]
        sizes.push(parts.reduce((sum, { length }) => sum + length, 0))
        Reflect.apply(hand, stream, [chunks, ...rest])
      }
    }
    stream.respond({ ':status': 200 })
    serve(stream, path)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address)
  const client: ClientHttp2Session = connect(`http://127.0.0.1:${address.port}`)
  return {
    /** The most that was handed over at once, and all of it. */
    largest: (path: string): number => Math.max(...(handed.get(path) ?? [])),
    taken: (path: string): number => (handed.get(path) ?? []).reduce((sum, size) => sum + size, 0),
    get: (path: string) => client.request({ ':path': path }),
    [Symbol.asyncDispose]: async () => {
      stop()
      client.close()
      server.close()
      await once(server, 'close')
    },
  }
}

function numbered(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (at * 7 + (at >> 8)) & 255))
}

it('what is written arrives whole and in order, and no more than a slice is handed over at once', async () => {
  const sizes = [0, 1, sliceBytes - 1, sliceBytes, sliceBytes + 1, 3 * sliceBytes, 100_000, 5]
  const parts = sizes.map(numbered)
  await using served = await scene((stream) => {
    for (const part of parts) stream.write(part)
    stream.end()
  })
  for (const path of ['/sliced', '/other']) assert.deepEqual(await buffer(served.get(path)), Buffer.concat(parts), path)
  assert.equal(served.largest('/sliced'), sliceBytes)
  assert.ok(served.largest('/other') > sliceBytes, 'streams of other paths are left alone')
})

it('texts and ends with content are written as before', async () => {
  await using served = await scene((stream) => {
    stream.write('zażółć', 'utf8')
    stream.end(numbered(40_000))
  })
  assert.deepEqual(await buffer(served.get('/sliced')), Buffer.concat([Buffer.from('zażółć'), numbered(40_000)]))
})

it('a write is done when its last slice is, and is refused and drained like one', async () => {
  const seen: Record<string, string[]> = {}
  await using served = await scene((stream, path) => {
    const happened: string[] = []
    seen[path] = happened
    stream.once('drain', () => {
      happened.push('drain')
      stream.end()
    })
    const done = (error?: Error | null): void => void happened.push(error ? error.message : `done after ${served.taken(path)}`)
    happened.push(String(stream.write(numbered(100_000), done)))
  })
  for (const path of ['/sliced', '/other']) assert.equal((await buffer(served.get(path))).length, 100_000)
  assert.deepEqual(seen['/sliced'], seen['/other'])
  assert.deepEqual(seen['/sliced'], ['false', 'drain', 'done after 100000'])
})

it('a stream that ends under a write says so once', async () => {
  const done = Promise.withResolvers<Error | null | undefined>()
  await using served = await scene((stream) => {
    stream.on('error', () => {})
    stream.write(numbered(2_000_000), done.resolve)
  })
  const call = served.get('/sliced')
  call.on('error', () => {})
  await once(call, 'data')
  call.close(8)
  assert.ok((await done.promise) instanceof Error)
})
