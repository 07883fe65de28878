import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { jsonSyntaxMessage } from './json-syntax.ts'

it('names the place in the words of the reference', () => {
  const cases: readonly [string, string][] = [
    ['{,', "invalid character ',' looking for beginning of object key string"],
    ['', 'unexpected end of JSON input'],
    ['{"a":1', 'unexpected end of JSON input'],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b":2}', "invalid character '\"' after object key:value pair"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ['[1 2]', "invalid character '2' after array element"],
    ['{"a":tru}', "invalid character '}' in literal true (expecting 'e')"],
    ['nul', 'unexpected end of JSON input'],
    ['{} x', "invalid character 'x' after top-level value"],
    ['type: Mesh', "invalid character 'y' in literal true (expecting 'r')"],
    ['mesh', "invalid character 'm' looking for beginning of value"],
    ['"a\nb"', "invalid character '\\n' in string literal"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
    ['01', "invalid character '1' after top-level value"],
    ['-', 'unexpected end of JSON input'],
    ['1.x', "invalid character 'x' after decimal point in numeric literal"],
    ["'", "invalid character '\\'' looking for beginning of value"],
  ]
  for (const [text, message] of cases) assert.equal(jsonSyntaxMessage(text), message, text)
})

it('ends for any text, and finds nothing wrong with good text', () => {
  fc.assert(fc.property(fc.string(), (text) => assert.ok(jsonSyntaxMessage(text).length > 0)))
  fc.assert(fc.property(fc.json(), (text) => assert.equal(jsonSyntaxMessage(text), 'invalid JSON')))
  assert.equal(jsonSyntaxMessage('['.repeat(1_000_000)).length > 0, true)
})
