// Every golden case as a static bootstrap through Envoy's own validation. Without an Envoy binary the test says so and checks nothing.
import assert from 'node:assert/strict'
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildCase, caseNames } from './testing/golden-case.ts'
import { bootstrapOf, findEnvoy, noEnvoy, realCertificates } from './testing/real-envoy.ts'

test('Envoy accepts every golden case', async (t) => {
  const envoy = findEnvoy()
  if (envoy === undefined) {
    t.diagnostic(noEnvoy)
    return
  }
  const certificates = await realCertificates()
  const folder = mkdtempSync(join(tmpdir(), 'weft-validate-'))
  try {
    for (const name of caseNames()) {
      const file = join(folder, `${name}.json`)
      writeFileSync(file, JSON.stringify(bootstrapOf(buildCase(name, certificates).snapshot)))
      const done: SpawnSyncReturns<string> = spawnSync(
        envoy,
        ['--mode', 'validate', '-c', file, '--log-level', 'error', '--base-id', '0', '--disable-hot-restart'],
        {
          encoding: 'utf8',
          timeout: 300_000,
        },
      )
      assert.equal(done.status, 0, `${name}: ${done.stderr.slice(-2000)}${done.stdout.slice(-2000)}`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('Envoy refuses a listener with a broken part, so the test above can fail', async (t) => {
  const envoy = findEnvoy()
  if (envoy === undefined) {
    t.diagnostic(noEnvoy)
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'weft-validate-'))
  try {
    const bootstrap = bootstrapOf(buildCase('plaintext-sidecar', await realCertificates()).snapshot)
    const file = join(folder, 'broken.json')
    writeFileSync(
      file,
      JSON.stringify({ ...bootstrap, static_resources: { listeners: [{ name: 'x', filter_chains: [{ filters: [{ name: 'no' }] }] }] } }),
    )
    const done: SpawnSyncReturns<string> = spawnSync(envoy, ['--mode', 'validate', '-c', file, '--disable-hot-restart'], {
      encoding: 'utf8',
      timeout: 300_000,
    })
    assert.notEqual(done.status, 0)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
