// The authority behind global's port is replaced while a zone cannot reach it: once the network heals, the zone joins without a restart, and
// a global of another authority is refused.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { getJson, http, put, until } from '../../apps/demo/src/rest.ts'
import { createServerCertificate } from '../../packages/identity/src/certificates.ts'
import { chaosFederation } from '../chaos/federation.ts'

test('a rotated authority is trusted once its file is, and no other', { timeout: 400_000 }, async () => {
  let folder = ''
  const file = (name: string): string => join(folder, name)
  await using federation = await chaosFederation({
    zones: [{ name: 'east', store: 'memory' }],
    env: (place, dataDir) => {
      folder = dataDir
      return place === 'global'
        ? { KUMA_MULTIZONE_GLOBAL_KDS_TLS_CERT_FILE: file('kds.crt'), KUMA_MULTIZONE_GLOBAL_KDS_TLS_KEY_FILE: file('kds.key') }
        : { KUMA_MULTIZONE_ZONE_KDS_TLS_SKIP_VERIFY: 'false', KUMA_MULTIZONE_ZONE_KDS_ROOT_CA_FILE: file('trusted.crt') }
    },
  })
  folder = federation.folder('.')
  const present = async (): Promise<string> => {
    const made = await createServerCertificate({ hosts: ['127.0.0.1'], commonName: 'global', now: Date.now() })
    mkdirSync(folder, { recursive: true })
    writeFileSync(file('kds.crt'), made.certificatePem)
    writeFileSync(file('kds.key'), made.privateKeyPem)
    return made.certificatePem
  }
  const [global, east] = [federation.plane('global'), federation.plane('east')]
  const inZone = async (mesh: string): Promise<boolean> => (await http('GET', `${east.api}/meshes/${mesh}`)).status === 200
  writeFileSync(file('trusted.crt'), await present())
  await global.start()
  await east.start()
  await put(global.api, '/meshes/before', { type: 'Mesh', name: 'before' })
  await until('joined', () => inZone('before'))

  federation.link('east').partition()
  await global.kill()
  const renewed = await present()
  await global.start()
  await put(global.api, '/meshes/after', { type: 'Mesh', name: 'after' })
  federation.link('east').heal()
  federation.link('east').reset()
  // the zone still trusts the old authority only
  await until('refused', async () => existsSync(east.log) && /cannot be verified/.test(readFileSync(east.log, 'utf8')))
  assert.equal(await inZone('after'), false)
  writeFileSync(file('trusted.crt'), renewed)
  await until('joined again', () => inZone('after'))
  assert.ok(await getJson(`${east.api}/meshes/before`))
})
