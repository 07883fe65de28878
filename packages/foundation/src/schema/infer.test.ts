import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkSchema, type Infer } from './index.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const proves = <T extends true>(value: T): T => value

const sample = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    mode: { type: 'string', enum: ['On', 'Off'], default: 'On' },
    count: { type: 'integer' },
    total: { type: 'int64' },
    share: { type: 'intOrString' },
    note: { type: 'string', nullable: true },
    free: { type: 'any' },
    tags: { type: 'map', values: { type: 'string' } },
    items: {
      type: 'array',
      items: { type: 'object', properties: { port: { type: 'integer' }, on: { type: 'boolean' } }, required: ['port'] },
    },
  },
  required: ['name', 'note'],
} as const

test('a literal gives the type of its values', () => {
  type Value = Infer<typeof sample>
  proves<Same<Value['name'], string>>(true)
  proves<Same<Value['mode'], 'On' | 'Off'>>(true)
  proves<Same<Value['count'], number | undefined>>(true)
  proves<Same<Value['total'], string | undefined>>(true)
  proves<Same<Value['share'], number | string | undefined>>(true)
  proves<Same<Value['note'], string | null>>(true)
  proves<Same<Value['tags'], Readonly<Record<string, string>> | undefined>>(true)
  proves<Same<NonNullable<Value['items']>[number], { readonly port: number; readonly on?: boolean }>>(true)
  proves<Same<Pick<Value, 'name' | 'mode' | 'note'>, Required<Pick<Value, 'name' | 'mode' | 'note'>>>>(true)
  proves<Same<Infer<import('./index.ts').Schema>, unknown>>(true)
  // @ts-expect-error a name is required
  const wrong: Value = { mode: 'On', note: null }
  assert.ok(wrong)
  assert.deepEqual(checkSchema(sample, { name: 'a', note: null }).value, { name: 'a', mode: 'On', note: null })
})
