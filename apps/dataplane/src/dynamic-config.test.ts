import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { type DynamicConfigPath, followDynamicConfig } from './dynamic-config.ts'
import type { HttpAnswer } from './http-get.ts'

type Said = Omit<HttpAnswer, 'etag'> & { readonly etag?: string }

interface Scene {
  readonly clock: FakeClock
  readonly asked: (readonly [path: string, etag: string | undefined])[]
  /** What is said of each path. */
  readonly says: Map<string, Said | Error>
  readonly events: unknown[]
  /** Moves on by one interval and lets the answers arrive. */
  next(ms?: number): Promise<void>
  close(): void
}

const absent = (code: string): Error => Object.assign(new Error(code), { code })

async function scene(says: Readonly<Record<string, Said | Error>>, onConfig?: DynamicConfigPath['onConfig']): Promise<Scene> {
  const clock = new FakeClock()
  const asked: Scene['asked'] = []
  const events: unknown[] = []
  const answers = new Map(Object.entries(says))
  const paths = Object.keys(says).map((path) => ({
    path,
    onConfig: (value: unknown) => {
      events.push([path, value])
      onConfig?.(value)
    },
    onGone: () => events.push([path, 'gone']),
  }))
  const get = async (path: string, etag: string | undefined): Promise<HttpAnswer> => {
    asked.push([path, etag])
    const answer = answers.get(path) ?? absent('ENOENT')
    if (answer instanceof Error) throw answer
    return answer.status === 200 && answer.etag !== undefined && answer.etag === etag
      ? { status: 304, text: '', etag }
      : { etag: undefined, ...answer }
  }
  const followed = followDynamicConfig({ socketPath: '/nowhere', paths, clock, log: silentLogger, get })
  const settle = (): Promise<void> => new Promise((done) => setImmediate(done))
  await settle()
  return {
    clock,
    asked,
    says: answers,
    events,
    next: async (ms = 1_000) => {
      clock.advance(ms)
      await settle()
    },
    close: () => followed.close(),
  }
}

test('a body is told once, and asked for with its tag from then on', async () => {
  const { says, events, asked, next, clock, close } = await scene({ '/dns': { status: 200, text: '{"a":1}', etag: 'one' } })
  await next()
  assert.deepEqual(events, [['/dns', { a: 1 }]])
  assert.deepEqual(asked, [
    ['/dns', undefined],
    ['/dns', 'one'],
  ])
  says.set('/dns', { status: 200, text: '{"a":2}', etag: 'two' })
  await next()
  await next()
  assert.deepEqual(events.slice(1), [['/dns', { a: 2 }]])
  close()
  assert.equal(clock.pending, 0)
  await next()
  assert.equal(asked.length, 4)
})

test('before Envoy listens it is asked often, and that is no failure', async () => {
  const { says, events, next, close } = await scene({ '/dns': absent('ENOENT'), '/otel': absent('ENOENT') })
  await next(100)
  says.set('/dns', { status: 200, text: '{}', etag: 'x' })
  says.set('/otel', { status: 404, text: '' })
  await next(100)
  assert.deepEqual(events, [['/dns', {}]])
  close()
})

test('gone is what is not found, or where nobody listens three times in a row; never before there was something', async () => {
  const { says, events, next, close } = await scene({ '/a': { status: 200, text: '1', etag: 'a' }, '/b': { status: 404, text: '' } })
  says.set('/a', { status: 404, text: '' })
  await next()
  await next()
  assert.deepEqual(events, [
    ['/a', 1],
    ['/a', 'gone'],
  ])
  says.set('/a', { status: 200, text: '2', etag: 'a' })
  await next()
  for (let round = 0; round < 2; round++) {
    says.set('/a', absent('ECONNREFUSED'))
    await next()
    await next()
    assert.equal(events.length, 3, 'two refusals are a listener that is being replaced')
    says.set('/a', { status: 200, text: '2', etag: 'a' })
    await next()
  }
  says.set('/a', absent('ECONNREFUSED'))
  for (let round = 0; round < 5; round++) await next()
  assert.deepEqual(events.slice(2), [
    ['/a', 2],
    ['/a', 'gone'],
  ])
  close()
})

test('a body that cannot be used is asked for again until it can', async () => {
  let isBad = true
  const { says, events, asked, next, close } = await scene({ '/dns': { status: 200, text: 'not json', etag: 'x' } }, () => {
    if (isBad) throw new Error('cannot use it')
  })
  await next()
  assert.deepEqual(asked.at(-1), ['/dns', undefined])
  says.set('/dns', { status: 200, text: '{}', etag: 'x' })
  await next()
  await next()
  assert.equal(events.length, 2)
  isBad = false
  await next()
  await next()
  assert.equal(events.length, 3)
  assert.deepEqual(asked.at(-1), ['/dns', 'x'])
  says.set('/dns', { status: 500, text: 'broken' })
  await next()
  assert.equal(events.length, 3)
  close()
})

test('over a real socket, with tags as a server sees them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wdc-'))
  const socketPath = join(folder, 'config.sock')
  const tags: (string | undefined)[] = []
  const server = createServer((request, response) => {
    tags.push(request.headers['if-none-match'])
    if (request.headers['if-none-match'] === 'v1') response.writeHead(304).end()
    else response.writeHead(200, { etag: 'v1' }).end('{"records":[]}')
  })
  server.listen(socketPath)
  await once(server, 'listening')
  const clock = new FakeClock()
  const heard = Promise.withResolvers<unknown>()
  const paths = [{ path: '/dns', onConfig: heard.resolve, onGone: () => {} }]
  const followed = followDynamicConfig({ socketPath, paths, clock, log: silentLogger })
  assert.deepEqual(await heard.promise, { records: [] })
  const again = once(server, 'request')
  // the next round is set once the first one is over
  while (clock.pending === 0) await new Promise((done) => setImmediate(done))
  clock.advance(1_000)
  await again
  assert.deepEqual(tags, [undefined, 'v1'])
  followed.close()
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
  rmSync(folder, { recursive: true })
})
