import assert from 'node:assert/strict'
import { test } from 'node:test'
import protobuf from 'protobufjs'
import { keepFullNames } from './full-names.ts'

const text = `syntax = "proto3"; package a.b;
message Outer { message Inner { string text = 1; } enum Mode { OFF = 0; } Inner inner = 1; map<string, Inner> by_key = 2; Mode mode = 3; }`
const root = () => {
  const { root: parsed } = protobuf.parse(text, new protobuf.Root(), { keepCase: true })
  parsed.resolveAll()
  return parsed
}

test('names are those of the library, and are made once', () => {
  const kept = root()
  keepFullNames(kept)
  const outer = kept.lookupType('a.b.Outer')
  const things = [outer, kept.lookupType('a.b.Outer.Inner'), kept.lookupEnum('a.b.Outer.Mode'), ...outer.fieldsArray]
  const names = things.map((each) => each.fullName)
  assert.deepEqual(names, ['.a.b.Outer', '.a.b.Outer.Inner', '.a.b.Outer.Mode', '.a.b.Outer.inner', '.a.b.Outer.by_key', '.a.b.Outer.mode'])
  assert.ok(things.every((each) => Object.hasOwn(each, 'fullName')))
  assert.deepEqual(
    things.map((each) => each.fullName),
    names,
  )
})

test('what is still being built keeps none', () => {
  keepFullNames(root())
  const other = root()
  const type = other.lookupType('a.b.Outer')
  assert.equal(type.fullName, '.a.b.Outer')
  const moved = new protobuf.Namespace('c')
  other.add(moved)
  moved.add(type)
  assert.equal(type.fullName, '.c.Outer')
  assert.ok(!Object.hasOwn(type, 'fullName'))
})
