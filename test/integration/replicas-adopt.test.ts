// Two replicas of a zone whose global is replaced by another one: whichever is asked shows that, compares, and adopts it, though only one of them
// has the session.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { http, put, until } from '../../apps/demo/src/rest.ts'
import { type ReplicaName, replicaPlanes } from './replica-planes.ts'

const patience = 180_000
const zones: readonly ReplicaName[] = ['zone-1', 'zone-2']

interface Adoption {
  readonly pin?: { readonly clusterId?: string }
  readonly otherGlobal?: { readonly clusterId?: string }
  readonly comparison?: { readonly types?: readonly { readonly type: string; readonly added: { readonly names: readonly string[] } }[] }
  readonly comparisonProblem?: string
}

test('another global is seen, compared and adopted at any replica of a zone', { skip: withoutPostgres(), timeout: 600_000 }, async () => {
  await using planes = await replicaPlanes({
    otherGlobal: true,
    env: { WEFT_LEASE_DURATION: '10s', KUMA_DEFAULTS_SKIP_MESH_CREATION: 'true', KUMA_MULTIZONE_GLOBAL_KDS_AUTH_TYPE: 'none' },
  })
  const has = async (at: ReplicaName, mesh: string): Promise<boolean> =>
    (await http('GET', `${planes.api(at)}/meshes/${mesh}`)).status === 200
  const adoption = async (at: ReplicaName, query = ''): Promise<Adoption> => {
    // comparing takes as long as the other global takes to list what it has
    const answer = await fetch(`${planes.api(at)}/_weft/adopt${query}`)
    // the shape is that of `GET /_weft/adopt`
    return answer.ok ? ((await answer.json()) as Adoption) : {}
  }
  const idOf = async (at: ReplicaName): Promise<string> => {
    let id = ''
    await until(
      `cluster id of ${at}`,
      async () => {
        id = String(((await planes.get(at, '')) as { readonly clusterId?: unknown } | undefined)?.clusterId ?? '')
        return id !== ''
      },
      patience,
    )
    return id
  }
  await planes.start('global-1')
  await put(planes.api('global-1'), '/meshes/only-first', { type: 'Mesh', name: 'only-first' })
  await Promise.all(zones.map((name) => planes.start(name)))
  for (const at of zones) await until(`the first global at ${at}`, () => has(at, 'only-first'), patience)
  const leader = await planes.leader(zones)
  const other = zones.find((name) => name !== leader) ?? assert.fail()
  const first = await idOf('global-1')
  for (const at of zones) {
    await until(`${at} shows whose it is`, async () => (await adoption(at)).pin?.clusterId === first, patience)
    assert.equal((await adoption(at)).otherGlobal, undefined, at)
  }

  await planes.start('global-2')
  await put(planes.api('global-2'), '/meshes/only-second', { type: 'Mesh', name: 'only-second' })
  const second = await idOf('global-2')
  await planes.kill('global-1')
  for (const at of zones)
    await until(`${at} shows the other global`, async () => (await adoption(at)).otherGlobal?.clusterId === second, patience)

  let shown: Adoption = {}
  await until(
    'a replica without the session compares',
    async () => {
      shown = await adoption(other, '?compare=true')
      return shown.comparison !== undefined
    },
    patience,
  ).catch((error: unknown) => assert.fail(`${String(error)}: ${shown.comparisonProblem ?? 'no problem is told'}`))
  assert.deepEqual(shown.comparison?.types?.find(({ type }) => type === 'Mesh')?.added.names, ['only-second'])

  const wrong = await http('POST', `${planes.api(other)}/_weft/adopt`, { clusterId: 'nobody' })
  assert.equal(wrong.status, 409, wrong.text)
  assert.match(wrong.text, /cannot be adopted/)
  assert.equal(await has(other, 'only-second'), false)
  let answer = ''
  await until(
    'adopted at a replica without the session',
    async () => {
      // while the zone looks for its global again no other one is known
      const adopted = await http('POST', `${planes.api(other)}/_weft/adopt`, { clusterId: second })
      answer = `${adopted.status} ${adopted.text}`
      return adopted.status === 200
    },
    patience,
  ).catch((error: unknown) => assert.fail(`${String(error)}: ${answer}`))
  for (const at of zones) {
    await until(`the adopted global at ${at}`, () => has(at, 'only-second'), patience)
    await until(
      `${at} shows whose it is`,
      async () => {
        const { pin, otherGlobal } = await adoption(at)
        return pin?.clusterId === second && otherGlobal === undefined
      },
      patience,
    )
  }
})
