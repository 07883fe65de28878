import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { it } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { hasCode } from '@weft/foundation/errors'
import type { Resource } from '@weft/resources'
import { type BackupSource, readBackup, writeBackup } from './backup.ts'
import { createHistoryKey } from './history-key.ts'
import { isSealed } from './history.ts'

const key = createHistoryKey(randomBytes(32))
const sealedTypes = new Set(['Secret'])
const resource = (type: string, name: string, spec: unknown): Resource => ({
  type,
  mesh: 'm',
  name,
  labels: { l: 'ü\n"' },
  creationTime: '2026-01-01T00:00:00.000Z',
  modificationTime: '2026-01-02T00:00:00.000Z',
  version: 3,
  spec,
  ...(type === 'MeshService' ? { status: { vips: [{ ip: '241.0.0.1' }] } } : {}),
})
const resources = [
  resource('MeshService', 'a', { ports: [] }),
  resource('Secret', 's', { data: 'top-secret' }),
  resource('Config', 'c', {}),
]
const source: BackupSource = { store: 'id', seq: 7, time: '2026-02-01T00:00:00.000Z', resources, sealedTypes, key, withKey: false }
const bytesOf = (more: Partial<BackupSource> = {}): Promise<Buffer> => buffer(writeBackup({ ...source, ...more }))
const read = (bytes: Uint8Array, with_: { key?: typeof key } = { key }) => readBackup(Readable.from([bytes]), { sealedTypes, ...with_ })

it('comes back whole, secrets with the key only', async () => {
  const bytes = await bytesOf()
  assert.doesNotMatch(gunzipSync(bytes).toString(), /top-secret/)
  assert.deepEqual(await read(bytes), { store: 'id', seq: 7, time: source.time, resources })
  for (const given of [{}, { key: createHistoryKey(randomBytes(32)) }]) {
    const { resources: found } = await read(bytes, given)
    assert.deepEqual([found[0], found[2]], [resources[0], resources[2]])
    assert.ok(isSealed(found[1]?.spec))
  }
})

it('with its key it opens itself', async () => {
  const bytes = await bytesOf({ withKey: true })
  assert.deepEqual((await read(bytes, {})).resources, resources)
  assert.doesNotMatch(gunzipSync(bytes).toString(), /top-secret/)
})

it('a secret under another name does not open', async () => {
  const text = gunzipSync(await bytesOf())
    .toString()
    .replace('"name":"s"', '"name":"t"')
  const lines = text.trimEnd().split('\n').slice(0, -1)
  const body = lines.map((line) => `${line}\n`).join('')
  const trailer = JSON.stringify({ count: 3, sha256: createHash('sha256').update(body).digest('hex') })
  const { resources: found } = await read(gzipSync(`${body}${trailer}\n`))
  assert.ok(isSealed(found[1]?.spec))
})

it('what is no whole backup is refused with the reason', async () => {
  const bytes = await bytesOf()
  const text = gunzipSync(bytes).toString()
  const lines = text.trimEnd().split('\n')
  const cases: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['nothing', Buffer.alloc(0), /ends too early|unexpected end/],
    ['no gzip', Buffer.from('hello, this is a text'), /incorrect header/],
    ['half a file', bytes.subarray(0, bytes.length / 2), /unexpected end of file/],
    ['no end', gzipSync(`${lines.slice(0, -1).join('\n')}\n`), /ends too early/],
    ['a line less', gzipSync(`${[lines[0], ...lines.slice(2)].join('\n')}\n`), /digest does not fit/],
    ['an altered line', gzipSync(text.replace('"ports":[]', '"ports":[1]')), /digest does not fit/],
    ['more after the end', gzipSync(`${text}{}\n`), /comes after the end/],
    ['another format', gzipSync(text.replace('weft-backup', 'other')), /says nothing of a backup/],
    ['a newer one', gzipSync(text.replace('"version":1', '"version":2')), /has format 2/],
    ['no JSON', gzipSync(`${lines[0]}\n{nonsense\n`), /not a whole backup/],
    ['no object', gzipSync(`${lines[0]}\n[]\n`), /line 2 is no object/],
    ['no resource', gzipSync(`${lines[0]}\n{"type":"Mesh"}\n`), /line 2 is no resource/],
    ['a line without end', gzipSync(Buffer.alloc(17 * 1024 * 1024, 'x')), /longer than any resource/],
  ]
  for (const [name, broken, message] of cases)
    await assert.rejects(read(broken), (error) => hasCode(error, 'store/invalid') && message.test(error.message), name)
})
