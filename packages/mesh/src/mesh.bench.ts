// Prints what changes cost in a zone of 5,000 proxies and 250 services. Run it with the pinned runtime: node packages/mesh/src/mesh.bench.ts
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { createGraph } from '@weft/graph'
import { coreDescriptors, createRegistry, labelKeys } from '@weft/resources'
import { createMemoryStore, type StoreOp } from '@weft/store'
import { createMesh, defaultMeshSettings } from './index.ts'
import { proxyMetadata, testPolicy, transparentProxy } from './world.fixture.ts'

const proxies = 5000
const services = 250
const policies = 50

const store = createMemoryStore({ clock: systemClock, log: silentLogger })
const graph = createGraph({ clock: systemClock, log: silentLogger })
const registry = createRegistry([...coreDescriptors, testPolicy])
const mesh = createMesh({
  graph,
  store,
  registry,
  settings: { ...defaultMeshSettings, zone: 'zone-a' },
  clock: systemClock,
  log: silentLogger,
})
const context = { actor: 'user:bench', reason: 'bench', class: 'desired' } as const

let commitMs = 0
let longest = 0
const transact = graph.transact.bind(graph)
graph.transact = (reason, fn) => {
  const begin = performance.now()
  transact(reason, fn)
  const ms = performance.now() - begin
  commitMs += ms
  longest = Math.max(longest, ms)
}

async function time(what: string, fn: (i: number) => Promise<unknown>, times = 1): Promise<void> {
  commitMs = 0
  longest = 0
  const begin = performance.now()
  for (let i = 0; i < times; i++) {
    await fn(i)
    await mesh.settled()
  }
  const ms = (performance.now() - begin) / times
  console.log(`${what}: ${ms.toFixed(2)} ms, of it graph ${(commitMs / times).toFixed(2)} ms, longest commit ${longest.toFixed(1)} ms`)
}

const dataplane = (i: number, state = 'Ready'): StoreOp => ({
  op: 'put',
  resource: {
    type: 'Dataplane',
    mesh: 'default',
    name: `dp-${i}`,
    labels: {
      [labelKeys.mesh]: 'default',
      [labelKeys.displayName]: `dp-${i}`,
      [labelKeys.env]: 'universal',
      [labelKeys.origin]: 'zone',
      [labelKeys.zone]: 'zone-a',
      [labelKeys.workload]: `w${i % services}`,
    },
    spec: { networking: { address: `10.0.${i >> 8}.${i & 255}`, inbound: [{ port: 8080, name: 'http', protocol: 'http', state }] } },
  },
})
const policy = (i: number, value: number): StoreOp => ({
  op: 'put',
  resource: {
    type: 'MeshTimeout',
    mesh: 'default',
    name: `p${i}`,
    labels: {},
    spec: { targetRef: i === 0 ? { kind: 'Mesh' } : { kind: 'Dataplane', labels: { [labelKeys.workload]: `w${i}` } }, to: [value] },
  },
})

await store.transact([{ op: 'put', resource: { type: 'Mesh', mesh: '', name: 'default', labels: {}, spec: {} } }], context)
await store.transact(
  Array.from({ length: policies }, (_, i) => policy(i, 0)),
  context,
)
await store.transact(
  Array.from({ length: proxies }, (_, i) => dataplane(i)),
  context,
)
await time(`start with ${proxies} dataplanes, ${services} services and ${policies} policies`, async () => mesh.start())
await time('connect every proxy in one transaction', async () =>
  graph.transact('connect', () => {
    for (let i = 0; i < proxies; i++) mesh.proxies.set(`default/dp-${i}`, { ...proxyMetadata, transparentProxy })
  }),
)
console.log(
  `  proxy facts ${mesh.proxyFacts.size}, outbounds each ${mesh.proxyFacts.get('default/dp-0')?.outbounds.length}, heap ${Math.round(process.memoryUsage().heapUsed / 1e6)} MB`,
)
let facts = 0
mesh.proxyFacts.onCommit((changes) => {
  facts += changes.length
})
await time('health of one endpoint changes', (i) => store.transact([dataplane(i % proxies, i < 250 ? 'NotReady' : 'Ready')], context), 500)
console.log(`  proxy facts changed: ${facts}`)
await time('one policy for one workload changes', (i) => store.transact([policy(7, i + 1)], context), 50)
console.log(`  proxy facts changed for each: ${facts / 50}`)
facts = 0
await time('the policy of the whole mesh changes', (i) => store.transact([policy(0, i + 1)], context), 10)
console.log(`  proxy facts changed for each: ${facts / 10}`)
await time(
  'a new service appears',
  (i) =>
    store.transact(
      [dataplane(100_000 + i)].map((op) =>
        op.op === 'put' ? { ...op, resource: { ...op.resource, labels: { ...op.resource.labels, [labelKeys.workload]: `new-${i}` } } } : op,
      ),
      context,
    ),
  10,
)
await time(
  'a trust changes',
  (i) => {
    const value = `-----BEGIN CERTIFICATE-----\n${i}\n-----END CERTIFICATE-----`
    return store.transact(
      [
        {
          op: 'put',
          resource: {
            type: 'MeshTrust',
            mesh: 'default',
            name: 't',
            labels: {},
            spec: { trustDomain: 'd', caBundles: [{ type: 'Pem', pem: { value } }] },
          },
        },
      ],
      context,
    )
  },
  10,
)
await mesh.stop()
