import assert from 'node:assert/strict'
import { mkdtemp, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { hasCode } from '../errors/index.ts'
import { silentLogger, type Logger } from '../log/index.ts'
import { systemClock } from '../time/index.ts'
import { one, two } from './fixtures/pairs.ts'
import { loadServerTls, type ServerTls, type TlsMaterial } from './server-tls.ts'

let folder = ''
let opened: ServerTls | undefined
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-tls-'))
})
afterEach(async () => {
  opened?.close()
  opened = undefined
  await rm(folder, { recursive: true })
})

async function load(
  options: { named?: boolean; certificateFile?: string; generate?: () => Promise<TlsMaterial>; log?: Logger } = {},
): Promise<ServerTls> {
  opened = await loadServerTls({
    ...(options.named ? { certificateFile: join(folder, 'a.crt'), privateKeyFile: join(folder, 'a.key') } : {}),
    ...(options.certificateFile ? { certificateFile: options.certificateFile } : {}),
    workDir: join(folder, 'work'),
    generate: options.generate ?? (() => Promise.reject(new Error('not to be called'))),
    clock: systemClock,
    log: options.log ?? silentLogger,
  })
  return opened
}

async function writePair(pair: TlsMaterial): Promise<void> {
  await writeFile(join(folder, 'a.crt'), pair.certificatePem)
  await writeFile(join(folder, 'a.key'), pair.privateKeyPem)
}

const replaced = (tls: ServerTls): Promise<TlsMaterial> => new Promise((resolve) => tls.onChange(resolve))

describe('loadServerTls', () => {
  it('makes a pair with a private key file, and keeps it', async () => {
    const made = await load({ generate: async () => one })
    assert.deepEqual(made.current, one)
    assert.equal((await stat(join(folder, 'work', 'kuma-cp.key'))).mode & 0o777, 0o600)
    made.close()
    assert.deepEqual((await load()).current, one)
  })

  it('replaces a kept pair that does not fit together', async () => {
    ;(await load({ generate: async () => one })).close()
    await writeFile(join(folder, 'work', 'kuma-cp.crt'), two.certificatePem)
    assert.deepEqual((await load({ generate: async () => two })).current, two)
  })

  it('refuses named files that are missing, alone or do not fit', async () => {
    await assert.rejects(load({ named: true }), (error) => hasCode(error, 'config/unreadable'))
    await assert.rejects(load({ certificateFile: join(folder, 'a.crt') }), (error) => hasCode(error, 'config/invalid'))
    await writePair({ ...one, privateKeyPem: two.privateKeyPem })
    await assert.rejects(load({ named: true }), (error) => hasCode(error, 'config/invalid'))
  })

  it('follows replaced files', async () => {
    await writePair(one)
    const tls = await load({ named: true })
    const next = replaced(tls)
    await writePair(two)
    assert.deepEqual(await next, two)
    assert.deepEqual(tls.current, two)
  })

  it('follows a swapped symbolic link', async () => {
    for (const [name, pair] of [
      ['v1', one],
      ['v2', two],
    ] as const) {
      await writeFile(join(folder, `${name}.crt`), pair.certificatePem)
      await writeFile(join(folder, `${name}.key`), pair.privateKeyPem)
    }
    const link = async (name: string, file: string): Promise<void> => {
      await symlink(join(folder, name), join(folder, 'new'))
      await rename(join(folder, 'new'), join(folder, file))
    }
    await link('v1.crt', 'a.crt')
    await link('v1.key', 'a.key')
    const tls = await load({ named: true })
    const next = replaced(tls)
    await link('v2.crt', 'a.crt')
    await link('v2.key', 'a.key')
    assert.deepEqual(await next, two)
  })

  it('keeps the last good pair when the replacement is broken', async () => {
    await writePair(one)
    let warn: () => void = () => {}
    const warned = new Promise<void>((resolve) => {
      warn = resolve
    })
    const tls = await load({ named: true, log: { ...silentLogger, warn } })
    await writeFile(join(folder, 'a.crt'), 'broken')
    await warned
    assert.deepEqual(tls.current, one)
  })
})
