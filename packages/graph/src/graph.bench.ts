// Prints what graph transactions cost in a zone of 20,000 dataplanes. Run it with the pinned runtime: node packages/graph/src/graph.bench.ts
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { type Collection, createGraph } from './index.ts'

interface Dataplane {
  readonly labels: Readonly<Record<string, string>>
  readonly address: string
}

const services = 1000
const dataplanesPerService = 20
const meshes = 4

function build() {
  const graph = createGraph({ clock: systemClock, log: silentLogger })
  const dataplanes = graph.source<Dataplane>('dataplanes')
  const selectors = graph.source<{ readonly label: string }>('services')
  const policies = graph.source<{ readonly conf: number }>('policies')
  const trust = graph.source<{ readonly pem: string }>('trust')
  const byLabel = graph.index('dataplanesByLabel', dataplanes, (dp) => Object.entries(dp.labels).map(([k, v]) => `${k}=${v}`))
  const endpoints = graph.map({ name: 'endpoints', from: selectors, reads: [byLabel] }, (scope, service) =>
    scope.lookup(byLabel, service.label).map((dp) => dp.address),
  )
  const rules = graph.map({ name: 'rules', from: dataplanes, reads: [policies] }, (scope, dp) => ({
    mesh: dp.labels['mesh'] ?? '',
    conf: scope.get(policies, dp.labels['mesh'] ?? '')?.conf ?? 0,
  }))
  const proxyFacts = graph.map({ name: 'proxyFacts', from: rules, reads: [trust, dataplanes] }, (scope, rule, key) => ({
    address: scope.get(dataplanes, key)?.address ?? '',
    conf: rule.conf,
    pem: scope.get(trust, rule.mesh)?.pem ?? '',
  }))
  graph.start()
  return { graph, dataplanes, selectors, policies, trust, endpoints, proxyFacts }
}

function time(what: string, fn: () => void, times = 1): void {
  const begin = performance.now()
  for (let i = 0; i < times; i++) fn()
  const ms = (performance.now() - begin) / times
  console.log(`${what}: ${ms >= 1 ? `${ms.toFixed(1)} ms` : `${(ms * 1000).toFixed(1)} us`}`)
}

function counting(collection: Collection<unknown>): () => number {
  let count = 0
  collection.onCommit((changes) => {
    count += changes.length
  })
  return () => {
    const result = count
    count = 0
    return result
  }
}

const heapBefore = process.memoryUsage().heapUsed
const g = build()
const endpointChanges = counting(g.endpoints)
const proxyChanges = counting(g.proxyFacts)
const dataplane = (service: number, i: number, address = `10.0.${service % 250}.${i}`): Dataplane => ({
  labels: { app: `s${service}`, mesh: `m${service % meshes}`, zone: 'z' },
  address,
})

time(`load ${services} services and ${services * dataplanesPerService} dataplanes in one transaction`, () =>
  g.graph.transact('load', () => {
    for (let s = 0; s < services; s++) {
      g.selectors.set(`s${s}`, { label: `app=s${s}` })
      for (let i = 0; i < dataplanesPerService; i++) g.dataplanes.set(`s${s}-${i}`, dataplane(s, i))
    }
  }),
)
console.log(
  `  load assignments ${endpointChanges()}, proxies ${proxyChanges()}, heap ${Math.round((process.memoryUsage().heapUsed - heapBefore) / 1e6)} MB`,
)

let n = 0
time(
  'one dataplane changes its address',
  () => {
    n++
    g.graph.transact('endpoint', () => g.dataplanes.set(`s${n % services}-0`, dataplane(n % services, 0, `10.9.${n % 250}.${n >> 8}`)))
  },
  2000,
)
console.log(`  load assignments ${endpointChanges() / 2000} and proxies ${proxyChanges() / 2000} per transaction`)
time('a write that changes nothing', () => g.graph.transact('noop', () => g.dataplanes.set('s0-1', dataplane(0, 1))), 2000)
console.log(`  load assignments ${endpointChanges()}, proxies ${proxyChanges()}`)
time('one policy edit in a mesh of 5,000 proxies', () => g.graph.transact('policy', () => g.policies.set('m0', { conf: ++n })), 20)
console.log(`  proxies ${proxyChanges() / 20} per edit`)
time('trust of that mesh changes', () => g.graph.transact('trust', () => g.trust.set('m0', { pem: `${++n}` })), 20)
proxyChanges()
time('50 policy edits in one transaction', () =>
  g.graph.transact('policies', () => {
    for (let i = 0; i < 50; i++) g.policies.set('m0', { conf: ++n })
  }),
)
time('50 policy edits in 50 transactions', () => {
  for (let i = 0; i < 50; i++) g.graph.transact('policy', () => g.policies.set('m0', { conf: ++n }))
})
