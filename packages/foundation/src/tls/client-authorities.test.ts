import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { hasCode } from '../errors/index.ts'
import { silentLogger, type Logger } from '../log/index.ts'
import { systemClock } from '../time/index.ts'
import { type ClientAuthorities, loadClientAuthorities } from './client-authorities.ts'
import { one, two } from './fixtures/pairs.ts'

let folder = ''
let opened: ClientAuthorities | undefined
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-ca-'))
})
afterEach(async () => {
  opened?.close()
  opened = undefined
  await rm(folder, { recursive: true })
})

const file = (): string => join(folder, 'ca.pem')
const load = async (log: Logger = silentLogger): Promise<ClientAuthorities> => {
  opened = await loadClientAuthorities({ file: file(), clock: systemClock, log })
  return opened
}

describe('loadClientAuthorities', () => {
  it('refuses what is missing, no PEM or no certificate', async () => {
    await assert.rejects(load(), (error) => hasCode(error, 'config/unreadable'))
    for (const text of ['', 'broken', one.privateKeyPem, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
      await writeFile(file(), text)
      await assert.rejects(load(), (error) => hasCode(error, 'config/invalid'), text)
    }
  })

  it('follows a replaced file, and keeps the last good one when the replacement is broken', async () => {
    await writeFile(file(), one.certificatePem)
    let warn: () => void = () => {}
    const warned = new Promise<void>((resolve) => {
      warn = resolve
    })
    const authorities = await load({ ...silentLogger, warn })
    const next = new Promise<string>((resolve) => authorities.onChange(resolve))
    await writeFile(file(), `${one.certificatePem}${two.certificatePem}`)
    assert.equal(await next, `${one.certificatePem}${two.certificatePem}`)
    await writeFile(file(), 'broken')
    await warned
    assert.equal(authorities.current, `${one.certificatePem}${two.certificatePem}`)
  })
})
