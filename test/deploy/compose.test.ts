// What lies in deploy/compose, held against the product: every setting is one, every metric is exposed, every file that is named is there.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { loadControlPlaneConfig } from '../../apps/control-plane/src/config.ts'
import { http, until } from '../../apps/demo/src/rest.ts'
import { root } from '../../tools/run-command.ts'
import { controlPlanes } from '../integration/control-planes.ts'

interface Service {
  readonly image: string
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly depends_on?: Readonly<Record<string, unknown>>
}

const folder = join(root, 'deploy/compose')
const read = (file: string): string => readFileSync(join(folder, file), 'utf8')
const compose = parse(read('compose.yaml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}
const services = Object.entries(compose.services)

test('every control plane is given settings that exist, with values that are valid', () => {
  const own = services.filter(([, { image, environment }]) => image === 'weft' && environment)
  assert.deepEqual(own.map(([name]) => name).toSorted(), ['east-1', 'east-2', 'east-setup', 'global-1', 'global-2', 'global-setup'])
  for (const [name, { environment = {} }] of own) {
    const env = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, value.replace(/^\$\{.*\}$/, 'secret')]))
    const { config, warnings, withoutEffect } = loadControlPlaneConfig({ env })
    assert.deepEqual([warnings, withoutEffect], [[], []], name)
    assert.equal(config.store.type, 'postgres', name)
  }
})

test('the replicas of a control plane have the same settings, and no secret is written down', () => {
  for (const role of ['global', 'east'] as const)
    assert.deepEqual(compose.services[`${role}-1`]?.environment, compose.services[`${role}-2`]?.environment)
  for (const [name, { environment = {} }] of services) {
    for (const [key, value] of Object.entries(environment))
      if (/PASSWORD|TOKEN_INLINE|SECRET/.test(key)) assert.match(value, /^\$\{\w+:\?.+\}$/, `${name} ${key}`)
  }
})

test('what a service names is there: files, volumes, other services', () => {
  for (const [name, { volumes = [], depends_on: needs = {} }] of services) {
    for (const volume of volumes) {
      const [from = ''] = volume.split(':')
      assert.ok(from.startsWith('.') ? existsSync(join(folder, from)) : from in compose.volumes, `${name}: ${volume}`)
    }
    for (const other of Object.keys(needs)) assert.ok(other in compose.services, `${name} needs ${other}`)
  }
  const targets = (
    parse(read('prometheus/prometheus.yml')) as { scrape_configs: { static_configs?: { targets: string[] }[] }[] }
  ).scrape_configs
    .flatMap(({ static_configs: configs = [] }) => configs)
    .flatMap((config) => config.targets)
  assert.ok(targets.length > 0)
  for (const target of targets) assert.ok((target.split(':')[0] ?? '') in compose.services, target)
})

test('every metric in a dashboard or an alert is one that control planes expose', async () => {
  await using planes = await controlPlanes({ env: { KUMA_STORE_TYPE: 'embedded' } })
  await planes.start('global')
  await planes.start('zone')
  // Prometheus makes this one itself
  const exposed = new Set<string>(['up'])
  const look = async (): Promise<void> => {
    for (const role of ['global', 'zone'] as const) {
      const { text } = await http('GET', `${planes.diagnostics(role)}/metrics`)
      for (const [, name = '', kind] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
        exposed.add(name)
        if (kind === 'histogram') for (const suffix of ['bucket', 'count', 'sum']) exposed.add(`${name}_${suffix}`)
      }
    }
  }
  const expressions = [
    ...readdirSync(join(folder, 'grafana/dashboards')).flatMap((file) => expressionsIn(JSON.parse(read(`grafana/dashboards/${file}`)))),
    ...expressionsIn(parse(read('prometheus/alerts.yml'))),
  ]
  assert.ok(expressions.length > 20)
  for (const expression of expressions) {
    const names = metricsIn(expression)
    assert.ok(names.length > 0, expression)
    // some parts start a moment after the API
    for (const name of names)
      await until(`${name} of ${expression}`, async () => {
        if (!exposed.has(name)) await look()
        return exposed.has(name)
      })
  }
})

/** Values of all members `expr`. */
function expressionsIn(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, member]) => (key === 'expr' && typeof member === 'string' ? [member] : expressionsIn(member)))
}

/** Names that stand before a label matcher or a range, or where nothing else can: not functions, labels or keywords. */
function metricsIn(expression: string): readonly string[] {
  const bare = expression
    .replace(/\bby \([^)]*\)/g, ' ')
    .replace(/\{[^}]*\}/g, ' ')
    .replace(/\[[^\]]*\]/g, ' ')
  return [...bare.matchAll(/\b[a-z_]+\b(?!\s*\()/g)].map(([name]) => name)
}
