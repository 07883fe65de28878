import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { hasCode } from '../errors/index.ts'
import { configJsonSchema, type ConfigOf, documentConfig, loadConfig, nearest, toPublicJson } from './index.ts'

const section = {
  type: 'object',
  properties: {
    mode: { type: 'string', enum: ['one', 'two'], default: 'one', env: 'KUMA_MODE' },
    server: {
      type: 'object',
      properties: {
        port: { type: 'integer', minimum: 1, maximum: 65535, default: 80, env: ['WEFT_PORT', 'KUMA_PORT'] },
        timeout: { type: 'duration', default: '1m30s', env: 'KUMA_TIMEOUT' },
        hosts: { type: 'list', default: [], env: 'KUMA_HOSTS' },
        enabled: { type: 'boolean', default: true, env: 'KUMA_ENABLED' },
        old: { type: 'boolean', default: false, effect: 'none', env: 'KUMA_OLD' },
      },
    },
    secret: { type: 'string', secret: true, env: 'KUMA_SECRET' },
    extra: { type: 'any' },
  },
} as const

const folder = mkdtempSync(join(tmpdir(), 'weft-config-'))
after(() => rmSync(folder, { recursive: true }))
const file = (text: string): string => {
  const path = join(folder, 'weft.yaml')
  writeFileSync(path, text)
  return path
}
const message = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    assert.ok(hasCode(error, 'config/invalid'), String(error))
    return error.message
  }
  throw new Error('did not throw')
}

test('defaults, file, environment and flags override each other in that order', () => {
  const path = file('mode: two\nserver:\n  port: 81\n  timeout: 10s\n  hosts: [a, b]\n')
  const { config, warnings, given } = loadConfig(section, {
    file: path,
    env: { KUMA_PORT: '82', KUMA_TIMEOUT: '', KUMA_ENABLED: 'F' },
    flags: { 'server.hosts': 'x, y', mode: undefined },
  })
  const typed: ConfigOf<typeof section> = config
  assert.deepEqual(JSON.parse(JSON.stringify(typed)), {
    mode: 'two',
    server: { port: 82, timeout: 10_000, hosts: ['x', 'y'], enabled: false, old: false },
  })
  assert.deepEqual(warnings, [])
  assert.deepEqual([...given].sort(), ['mode', 'server.enabled', 'server.hosts', 'server.port', 'server.timeout'])
  assert.equal(typed.secret, undefined)
})

test('the first variable of a key wins, whatever their order in the environment', () => {
  assert.equal(loadConfig(section, { env: { KUMA_PORT: '1', WEFT_PORT: '2' } }).config.server.port, 2)
})

test('unknown keys and own variables are warned of with the nearest known one, foreign variables are not', () => {
  const { warnings } = loadConfig(section, {
    file: file('mod: two\nserver:\n  prt: 1\n  constructor: 1\n__proto__:\n  polluted: 1\n'),
    env: { WEFT_PROT: '1', KUMA_UNKNOWN: '1', PATH: '/bin', WEFT_ZZZZZZZZZZZZZZZZ: '1' },
  })
  assert.deepEqual(
    warnings.map((text) => text.replace(folder, '')),
    [
      'unknown setting mod in /weft.yaml; did you mean mode?',
      'unknown setting server.prt in /weft.yaml; did you mean server.port?',
      'unknown setting server.constructor in /weft.yaml',
      'unknown setting __proto__ in /weft.yaml',
      'unknown environment variable WEFT_PROT; did you mean WEFT_PORT?',
      'unknown environment variable WEFT_ZZZZZZZZZZZZZZZZ',
    ],
  )
  assert.equal(Reflect.get({}, 'polluted'), undefined)
})

test('a wrong value names its place', () => {
  assert.equal(
    message(() => loadConfig(section, { env: { KUMA_MODE: 'three' } })),
    'KUMA_MODE must be one of one, two, not "three"',
  )
  assert.equal(
    message(() => loadConfig(section, { env: { WEFT_PORT: '0' } })),
    'WEFT_PORT must be a whole number from 1 to 65535, not "0"',
  )
  assert.match(
    message(() => loadConfig(section, { file: file('server:\n  timeout: 10\n'), env: {} })),
    /^server\.timeout in .* must be a duration/,
  )
  assert.match(
    message(() => loadConfig(section, { file: file('server: 5'), env: {} })),
    /^server in .* must be a map of settings$/,
  )
  assert.match(
    message(() => loadConfig(section, { file: file('a: [1'), env: {} })),
    /weft\.yaml: /,
  )
  assert.match(
    message(() => loadConfig(section, { env: {}, flags: { 'server.prot': '1' } })),
    /^unknown setting server\.prot; did you mean server\.port\?$/,
  )
  assert.match(
    message(() => loadConfig(section, { env: { KUMA_TIMEOUT: '-5s' } })),
    /KUMA_TIMEOUT must be a duration/,
  )
})

test('a wrong secret is not repeated', () => {
  const hidden = { type: 'object', properties: { pin: { type: 'integer', secret: true, env: 'KUMA_PIN' } } } as const
  assert.equal(
    message(() => loadConfig(hidden, { env: { KUMA_PIN: 'hush' } })),
    'KUMA_PIN must be a whole number',
  )
})

test('a file that cannot be read is another error, and an alias bomb is refused', () => {
  assert.throws(
    () => loadConfig(section, { file: join(folder, 'missing.yaml'), env: {} }),
    (error: unknown) => hasCode(error, 'config/unreadable'),
  )
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]']
  for (const [left, right] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf'].map((pair) => [...pair]))
    bomb.push(`${left}: &${left} [*${right},*${right},*${right},*${right},*${right},*${right},*${right}]`)
  assert.match(
    message(() => loadConfig(section, { file: file(bomb.join('\n')), env: {} })),
    /alias/i,
  )
})

test('the public form masks secrets and writes durations as text', () => {
  const { config, withoutEffect } = loadConfig(section, { env: { KUMA_SECRET: 'hush', KUMA_OLD: 'true' } })
  assert.deepEqual(toPublicJson(section, config), {
    mode: 'one',
    server: { port: 80, timeout: '1m30s', hosts: [], enabled: true, old: true },
    secret: '*****',
  })
  assert.deepEqual(withoutEffect, ['server.old'])
})

test('the documentation has every key', () => {
  assert.deepEqual(
    documentConfig(section).map(({ key, env, type }) => `${key} ${env.join('/')} ${type}`),
    [
      'mode KUMA_MODE one | two',
      'server.port WEFT_PORT/KUMA_PORT integer',
      'server.timeout KUMA_TIMEOUT duration',
      'server.hosts KUMA_HOSTS list',
      'server.enabled KUMA_ENABLED boolean',
      'server.old KUMA_OLD boolean',
      'secret KUMA_SECRET string',
      'extra  any',
    ],
  )
  assert.deepEqual(Object.keys(configJsonSchema(section)), ['type', 'properties'])
})

test('nearest finds a misspelling and stays silent about what has nothing in common', () => {
  assert.equal(nearest('stroe.type', ['store.type', 'mode']), 'store.type')
  assert.equal(nearest('abcdefgh', ['zyxwvuts']), undefined)
})
