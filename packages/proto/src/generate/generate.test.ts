import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { it } from 'node:test'
import type { IFileDescriptorSet } from 'protobufjs/ext/descriptor.js'
import { renderProto } from './index.ts'
import { pruneDescriptorSet } from './prune.ts'

const checkout = fileURLToPath(new URL('../../../../', import.meta.url))

it('makes the generated files that are there', async () => {
  const files = await renderProto(checkout)
  assert.equal(files.size, 5)
  for (const [path, content] of files)
    assert.ok(Buffer.from(content).equals(await readFile(join(checkout, path))), `${path} is out of date: npm run generate`)
})

it('keeps what roots reach, and parents as shells', () => {
  const set: IFileDescriptorSet = {
    file: [
      {
        name: 'a.proto',
        package: 'a',
        messageType: [
          { name: 'Root', field: [{ name: 'x', number: 1, typeName: '.a.Outer.Inner', options: { packed: false, jstype: 1 } }] },
          { name: 'Outer', field: [{ name: 'y', number: 1, typeName: '.a.Unused' }], nestedType: [{ name: 'Inner', field: [] }] },
          { name: 'Unused', field: [] },
        ],
      },
      { name: 'b.proto', package: 'b', messageType: [{ name: 'Elsewhere', field: [] }] },
    ],
  }
  const [file, ...others] = pruneDescriptorSet(set, ['a.Root']).file ?? []
  assert.deepEqual(others, [])
  assert.deepEqual(
    file?.messageType?.map((m) => [m.name, m.field?.length, m.nestedType?.map((n) => n.name)]),
    [
      ['Root', 1, []],
      ['Outer', 0, ['Inner']],
    ],
  )
  assert.deepEqual(file?.messageType?.[0]?.field, [{ name: 'x', number: 1, typeName: '.a.Outer.Inner', options: { packed: false } }])
  assert.throws(() => pruneDescriptorSet(set, ['a.Nope']), /has no a\.Nope/)
})
