// Everything that the golden cases of policies expect, as one static bootstrap through Envoy's own validation. Without an Envoy binary the
// test says so and checks nothing.
import { field, isObject, listField } from '@weft/foundation/json'
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'

const envoy = process.env['ENVOY_PATH']
const skip = envoy ? false : 'no Envoy binary: set ENVOY_PATH'

describe('Envoy accepts what policies make', { skip }, () => {
  for (const folder of readdirSync(import.meta.dirname).filter((name) => name.startsWith('mesh-'))) {
    const goldens = goldensOf(folder)
    if (goldens.length > 0) test(folder, () => assert.equal(validate(bootstrapOf(goldens)), ''))
  }

  test('and refuses what is wrong, so the tests above can fail', () => {
    assert.match(
      validate(bootstrapOf([{ cluster: { name: 'x', connectTimeout: '1s', lbPolicy: 'MAGLEV', maglevLbConfig: { tableSize: '18' } } }])),
      /prime/,
    )
  })
})

function goldensOf(folder: string): readonly unknown[] {
  const cases = join(import.meta.dirname, folder, 'cases')
  return readdirSync(join(import.meta.dirname, folder)).includes('cases')
    ? readdirSync(cases)
        .filter((file) => file.endsWith('.golden.json'))
        .map((file): unknown => JSON.parse(readFileSync(join(cases, file), 'utf8')))
    : []
}

/** Cases share names and addresses; here each has its own. */
function bootstrapOf(goldens: readonly unknown[]): object {
  const own = (value: unknown, index: number): object => ({
    ...(isObject(value) ? value : {}),
    name: `${index}`,
    address: { socketAddress: { address: '127.0.0.1', portValue: 10_000 + index } },
  })
  const all = (one: 'cluster' | 'listener', golden: unknown): readonly unknown[] =>
    [
      field(golden, one) ?? [],
      listField(golden, `${one}s`),
      listField(field(golden, 'own'), `${one}s`).map((item) => field(item, one)),
      // files that only a real host has are not looked for
    ]
      .flat()
      .filter((resource) => !JSON.stringify(resource).includes('"filename":"/'))
  const clusters = goldens.flatMap((golden) => all('cluster', golden))
  const listeners = goldens.flatMap((golden) => all('listener', golden))
  return {
    node: { id: 'validate', cluster: 'validate' },
    dynamicResources: {
      adsConfig: { apiType: 'DELTA_GRPC', transportApiVersion: 'V3', grpcServices: [{ envoyGrpc: { clusterName: 'ads' } }] },
    },
    staticResources: {
      clusters: [
        { name: 'ads', type: 'STATIC', connectTimeout: '1s', loadAssignment: { clusterName: 'ads' } },
        ...clusters.map((cluster, index) => ({ ...(isObject(cluster) ? cluster : {}), name: `${index}` })),
        // routes that are checked when a listener is loaded find their clusters by name
        ...new Map(clusters.map((cluster) => [field(cluster, 'name'), cluster])).values(),
      ],
      listeners: listeners.map(own),
    },
  }
}

/** What Envoy has against a bootstrap; empty when it takes it. */
function validate(bootstrap: object): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-policies-'))
  try {
    const file = join(folder, 'bootstrap.json')
    writeFileSync(file, JSON.stringify(bootstrap))
    const args = ['--mode', 'validate', '-c', file, '--log-level', 'error', '--disable-hot-restart']
    const done = spawnSync(envoy ?? '', args, { encoding: 'utf8', timeout: 300_000 })
    return done.status === 0 ? '' : `${done.stderr}${done.stdout}`.slice(-3000)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
