import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { createLogging, isLogLevel, type LogLevel } from './index.ts'

function recorded(level: LogLevel) {
  const lines: Record<string, unknown>[] = []
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(JSON.parse(chunk.toString('utf8')))
      done()
    },
  })
  const texts = (): unknown[] => lines.splice(0).map(({ msg }) => msg)
  return { ...createLogging({ level, destination }), lines, texts }
}

describe('log levels', () => {
  it('loggers that exist already follow a change, each by the nearest level on its path', () => {
    const { log, levels, texts } = recorded('info')
    const server = log.child({ component: 'kds.server' })
    const stream = server.child({ zone: 'east' })
    const client = log.child({ component: 'kds.client' })
    const write = (): unknown[] => {
      for (const [name, logger] of Object.entries({ log, server, stream, client })) {
        logger.debug({ n: 1 }, `${name} debug`)
        logger.error(`${name} error`)
      }
      return texts()
    }
    const errors = ['log error', 'server error', 'stream error', 'client error']
    assert.deepEqual(write(), errors)
    levels.set('kds', 'debug')
    assert.deepEqual(write(), ['log error', 'server debug', 'server error', 'stream debug', 'stream error', 'client debug', 'client error'])
    levels.set('kds.server', 'off')
    assert.deepEqual(write(), ['log error', 'client debug', 'client error'])
    levels.set('', 'off')
    assert.deepEqual(write(), ['client debug', 'client error'])
    levels.reset('kds.server')
    assert.deepEqual(write().length, 6)
    levels.reset()
    assert.deepEqual(write(), errors)
  })

  it('the component of a line counts before that of its logger', () => {
    const { log, levels, texts } = recorded('info')
    levels.set('startup', 'warn')
    log.info({ component: 'startup' }, 'quiet')
    log.info({ component: 'startups' }, 'another component')
    log.child({ component: 'startup' }).info({ component: 'recovery' }, 'not startup')
    assert.deepEqual(texts(), ['another component', 'not startup'])
  })

  it('lists what differs, in order', () => {
    const { levels } = recorded('warn')
    assert.deepEqual(levels.list(), { level: 'warn', components: {} })
    levels.set('xds', 'trace')
    levels.set('api', 'off')
    levels.set('', 'error')
    assert.equal(JSON.stringify(levels.list()), '{"level":"error","components":{"api":"off","xds":"trace"}}')
  })

  it('hostile names are ordinary names', () => {
    const { log, levels, texts } = recorded('info')
    for (const component of ['__proto__', 'constructor', '...', '.']) {
      levels.set(component, 'off')
      log.error({ component }, 'hidden')
      log.error({ component: `${component}x` }, 'shown')
    }
    assert.deepEqual(texts(), ['shown', 'shown', 'shown', 'shown'])
    assert.deepEqual(Object.keys(levels.list().components), ['.', '...', '__proto__', 'constructor'])
    assert.equal(isLogLevel('constructor'), false)
  })

  it('secrets are not written', () => {
    const { log, lines } = recorded('trace')
    log.child({ token: 'abc' }).trace({ tls: { key: 'def' }, count: 1 }, 'with secrets')
    assert.deepEqual([lines[0]?.['token'], lines[0]?.['tls'], lines[0]?.['level']], ['[redacted]', { key: '[redacted]' }, 'trace'])
  })
})
