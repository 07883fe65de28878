// What a sending stream tells of its progress, to its peer and to whoever follows changes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createChangeFeed } from './change-feed.ts'
import { softLimitEntries } from './chunks.ts'
import { DeltaSender } from './delta-sender.ts'
import type { SendingTrace } from './sending-trace.ts'
import { memberOf, memoryStore } from './testing/federation.ts'
import { composeResponse, type DeltaRequest, type DeltaResponse, decodeResponse, frameResource } from './wire.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** A stream of Meshes, of which those called `hidden-` are not for the peer. */
function stream(positions = true) {
  const store = memoryStore()
  const sent: DeltaResponse[] = []
  const told: string[] = []
  const keys = ['/a', '/b', '/hidden-a']
  const trace: SendingTrace = {
    sent: (_, { upTo, carries }) => void told.push(`sent ${upTo}: ${keys.filter((key) => carries(key, 'put')).join()}`),
    answered: (_, { upTo, isRefused }) => void told.push(`answered ${upTo}, refused: ${keys.filter(isRefused).join()}`),
  }
  const sender = new DeltaSender({
    outgoing: {
      types: ['Mesh'],
      after: () => undefined,
      forget: () => {},
      encode: ({ name, version }) => {
        const wire = { name: `${name}.`, version: String(version) }
        return name.startsWith('hidden') ? undefined : { ...wire, frame: frameResource(wire.name, wire.version, Buffer.alloc(1)) }
      },
    },
    store,
    feed: createChangeFeed(store, silentLogger),
    clock: new FakeClock(),
    log: silentLogger,
    identifier: 'global',
    chunked: positions,
    positions,
    trace,
    write: (bytes) => {
      sent.push(decodeResponse(bytes))
      return true
    },
    count: () => {},
    reader: { asked: () => {}, answered: () => {} },
  })
  const request = (fields: Partial<DeltaRequest> = {}): void =>
    sender.request({ node: undefined, type: 'Mesh', subscribes: true, initialVersions: new Map(), nonce: '', error: undefined, ...fields })
  return {
    ...memberOf(store),
    told,
    subscribe: async () => {
      request()
      await turn()
    },
    /** Answers the oldest response; resolves with what the peer was told in it. */
    answer: async (fields: Partial<DeltaRequest> = {}) => {
      await turn()
      // large ones are encoded in slices
      for (let turns = 0; sent.length === 0 && turns < softLimitEntries; turns++) await turn()
      const response = sent.shift()
      assert.ok(response, 'a response')
      request({ nonce: response.nonce, ...fields })
      return `${response.resources.length} ${response.position}`
    },
    /** Writes at once so many Meshes of this name. */
    putMany: (name: string, count: number) =>
      store.transact(
        Array.from({ length: count }, (_, index) => ({
          op: 'put' as const,
          resource: { type: 'Mesh', mesh: '', name: `${name}-${index}`, labels: {}, spec: { count } },
        })),
        { actor: 'user:test', reason: 'api', class: 'desired' },
      ),
  }
}

test('each response that completes the type says so, and what was sent of it; changes that are not for the peer are not', async () => {
  const at = stream()
  await at.put('Mesh', '', 'a', {})
  await at.subscribe()
  assert.equal(await at.answer(), '1 1')
  assert.deepEqual(at.told.splice(0), ['sent 1: /a', 'answered 1, refused: ', 'sent 1: '])
  await at.put('Mesh', '', 'b', {})
  await at.put('Mesh', '', 'hidden-a', {})
  assert.equal(await at.answer(), '1 3')
  assert.deepEqual(at.told.splice(0), ['sent 3: /b', 'answered 3, refused: ', 'sent 3: '])
  await at.put('Mesh', '', 'hidden-a', { changed: true })
  await turn()
  assert.deepEqual(at.told.splice(0), ['sent 4: '])
  await at.remove('Mesh', '', 'b')
  assert.equal(await at.answer(), '0 5')
  assert.equal(at.told[0], 'sent 5: /b')
})

test('a change that is cut completes with its last part, also when there is nothing to say in it', async () => {
  const at = stream()
  await at.subscribe()
  await at.answer()
  await at.putMany('a', softLimitEntries + 1)
  assert.equal(await at.answer(), `${softLimitEntries} undefined`)
  assert.equal(await at.answer(), `1 ${softLimitEntries + 1}`)
  await at.putMany('hidden', 1)
  await at.putMany('b', softLimitEntries)
  await at.putMany('hidden', 1)
  await at.putMany('hidden-too', 1)
  await turn()
  const seq = at.store.seq
  assert.equal(await at.answer(), `${softLimitEntries} undefined`)
  assert.equal(await at.answer(), `0 ${seq}`)
})

test('what the peer refuses by name is told, the rest is there', async () => {
  const at = stream()
  await at.subscribe()
  await at.answer()
  at.told.length = 0
  await at.put('Mesh', '', 'a', {})
  await at.put('Mesh', '', 'b', {})
  await at.answer({ error: 'no', initialVersions: new Map([['a.', 'bad']]) })
  assert.deepEqual(at.told.slice(0, 2), ['sent 2: /a,/b', 'answered 2, refused: /a'])
})

test('a peer that did not ask for positions is told none, and is followed all the same', async () => {
  const at = stream(false)
  await at.put('Mesh', '', 'a', {})
  await at.subscribe()
  assert.equal(await at.answer(), '1 undefined')
  assert.deepEqual(at.told.slice(0, 2), ['sent 1: /a', 'answered 1, refused: '])
})

test('positions that are none are read as none', () => {
  const read = (text: string) => {
    // field 1, the text's length, the text
    const head = Buffer.from([0x0a, text.length, ...Buffer.from(text)])
    const body = composeResponse({ type: 'Mesh', nonce: 'n', sender: 'global', frames: [], removed: [] })
    const { position, same, partial } = decodeResponse(Buffer.concat([head, body]))
    return [position, same, partial]
  }
  assert.deepEqual(read('weft:seq=12'), [12, false, false])
  assert.deepEqual(read('weft:same weft:seq=12'), [12, true, false])
  assert.deepEqual(read('weft:more'), [undefined, false, true])
  for (const text of ['', '-1', '1.5', '1e9', '0x10', 'NaN', '9'.repeat(16), '9'.repeat(40), ' 1', '__proto__'])
    assert.deepEqual(read(`weft:seq=${text}`), [undefined, false, false], text)
})
