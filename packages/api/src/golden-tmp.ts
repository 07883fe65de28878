import { readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { silentLogger } from '@weft/foundation/log'
import { checkSchema } from '@weft/foundation/schema'
import { FakeClock } from '@weft/foundation/time'
import { coreDescriptors, createRegistry, isJsonKind } from '@weft/resources'
import { policyDescriptors } from '@weft/policies'
import { createMemoryStore } from '@weft/store'
import { parseAllDocuments } from 'yaml'
import { createApiApp, defaultAccessRules } from './index.ts'

const root = '/work/shared/lab/goldens/pkg/api-server/testdata'
const registry = createRegistry([...coreDescriptors, ...policyDescriptors])
let pass = 0,
  fail = 0
function files(dir: string): string[] {
  return readdirSync(join(root, dir), { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? files(join(dir, e.name)) : [join(dir, e.name)],
  )
}
const only = process.argv[2] ?? ''
for (const f of files('').filter(
  (f) => (f.endsWith('.input.yaml') || (f.startsWith('base_endpoints') && f.endsWith('golden.json'))) && f.includes(only),
)) {
  const clock = new FakeClock()
  const store = createMemoryStore({ clock, log: silentLogger })
  const app = createApiApp({
    store,
    registry,
    clock,
    log: silentLogger,
    configJson: () => '{}',
    generateSigningKey: async () => 'key',
    controlPlane: {
      mode: f.includes('/hostnames/global') ? 'global' : 'zone',
      zone: f.includes('/hostnames/global') ? '' : 'default',
      federated: false,
      environment: 'universal',
      hostname: 'h',
      instanceId: 'i',
      version: 'v',
      clusterId: () => 'c',
    },
    settings: {
      http: { enabled: true, interface: '127.0.0.1', port: 0 },
      https: { enabled: false, interface: '', port: 0 },
      readOnly: false,
      corsAllowedDomains: [],
      localhostIsAdmin: true,
      access: defaultAccessRules,
      unsafeDelete: false,
      disableOriginLabelValidation: false,
    },
    proxyConfig: { config: async () => ({}) },
  })
  await app.ready()
  const stem = join(root, f).replace(/\.(input\.yaml|golden\.json)$/, '')
  let actions: { path: string; status: number; method: string }[] = []
  if (f.endsWith('.yaml')) {
    const text = readFileSync(join(root, f), 'utf8')
    for (const line of text.split('\n')) {
      if (!line.startsWith('#')) break
      if (!line.startsWith('#/')) continue
      const [path, status, ...o] = line.replace(/^#\s*/, '').split(' ')
      actions.push({ path: path!, status: Number(status), method: o.find((x) => x.startsWith('method='))?.slice(7) ?? 'GET' })
    }
    for (const doc of parseAllDocuments(text)) {
      const d = doc.toJSON() as any
      if (!d) continue
      const kind = registry.get(d.type)!
      const { type, mesh, name, labels, status, ...rest } = d
      const checked = isJsonKind(kind)
        ? checkSchema(kind.spec, d.spec, { profile: 'json' })
        : checkSchema(kind.spec, rest, { profile: 'proto' })
      if (!checked.value) console.log('bad input', f, checked.violations)
      await store.transact(
        [
          {
            op: 'put',
            resource: { type, mesh: mesh ?? '', name, labels: labels ?? {}, spec: checked.value, ...(status ? { status } : {}) },
          },
        ],
        { actor: 'x', reason: 'x', class: 'desired' },
      )
    }
  } else actions = [{ path: '/' + basename(stem), status: 200, method: 'GET' }]
  let ok = true
  const why: string[] = []
  for (const [i, a] of actions.entries()) {
    const num = actions.length > 1 ? `_${String(i).padStart(2, '0')}` : ''
    const body = a.method === 'PUT' ? readFileSync(`${stem}${num}.request.json`) : undefined
    const r = await app.inject({
      method: a.method as any,
      url: a.path,
      headers: { host: 'localhost', ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { payload: body } : {}),
      remoteAddress: '127.0.0.1',
    })
    const got = r.body.replace(/\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d[^"]+/g, '0001-01-01T00:00:00Z').replaceAll('localhost', '{{address}}')
    let want: unknown, parsed: unknown
    try {
      want = JSON.parse(readFileSync(`${stem}${num}.golden.json`, 'utf8'))
    } catch {}
    try {
      parsed = JSON.parse(got)
    } catch {
      parsed = got
    }
    if (r.statusCode !== a.status || (want !== undefined && !isDeepStrictEqual(parsed, want))) {
      ok = false
      why.push(
        `${i} ${a.method} ${a.path}: ${r.statusCode} want ${a.status}\n got ${JSON.stringify(parsed)?.slice(0, 3000)}\n want ${JSON.stringify(want)?.slice(0, 3000)}`,
      )
    }
  }
  await app.close()
  if (ok) pass++
  else {
    fail++
    console.log('FAIL', f, why.join('\n'))
  }
}
console.log({ pass, fail })
