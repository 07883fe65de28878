import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { filterMetrics } from './metric-profile.ts'
import { formatMetrics, joinFamilies, labelled, parseMetrics } from './metric-text.ts'

const envoy = `# TYPE envoy_cluster_upstream_rq counter
envoy_cluster_upstream_rq{envoy_cluster_name="backend",envoy_response_code="200"} 3
envoy_cluster_upstream_rq{envoy_cluster_name="system_envoy_admin"} 1
# TYPE envoy_cluster_upstream_rq_time histogram
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="backend",le="0.5"} 0
envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="backend"} 1.5
envoy_cluster_upstream_rq_time_count{envoy_cluster_name="backend"} 3
# TYPE envoy_cluster_lb_recalculate_zone_structures counter
envoy_cluster_lb_recalculate_zone_structures{envoy_cluster_name="backend"} 0
# TYPE envoy_server_uptime gauge
envoy_server_uptime{} 7
`
const names = (sidecar: unknown): readonly string[] => filterMetrics(parseMetrics(envoy), sidecar).map((family) => family.name)

describe('metrics in text form', () => {
  test('samples of a histogram belong to it, and what was read is what is written', () => {
    const families = parseMetrics(envoy)
    assert.deepEqual(
      families.map(({ name, samples }) => [name, samples.length]),
      [
        ['envoy_cluster_upstream_rq', 2],
        ['envoy_cluster_upstream_rq_time', 3],
        ['envoy_cluster_lb_recalculate_zone_structures', 1],
        ['envoy_server_uptime', 1],
      ],
    )
    assert.equal(formatMetrics(families), envoy)
  })

  test('families of one name are joined under one head; samples without a head count too', () => {
    const joined = joinFamilies([
      parseMetrics('# HELP up x\n# TYPE up gauge\nup 1\n'),
      parseMetrics('# TYPE up gauge\nup{a="b"} 2\nlone 3 1700000000000\n\n# a remark\n'),
    ])
    assert.equal(formatMetrics(joined), '# HELP up x\n# TYPE up gauge\nup 1\nup{a="b"} 2\nlone 3 1700000000000\n')
  })

  test('labels are added where they are missing, in names and values that the form allows', () => {
    const [family] = parseMetrics('m 1\nm{} 2\nm{mesh="own"} 3\nm{text="a,mesh=\\"x\\""} 4\n')
    assert.ok(family)
    assert.deepEqual(labelled(family, { 'kuma.workload': 'a"b\\', mesh: 'default' }).samples, [
      'm{kuma_workload="a\\"b\\\\",mesh="default"} 1',
      'm{kuma_workload="a\\"b\\\\",mesh="default"} 2',
      'm{kuma_workload="a\\"b\\\\",mesh="own"} 3',
      'm{kuma_workload="a\\"b\\\\",mesh="default",text="a,mesh=\\"x\\""} 4',
    ])
  })
})

describe('profiles', () => {
  const profile = (...list: readonly string[]): object => ({ appendProfiles: list.map((name) => ({ name })) })

  test('Basic when there is none: golden signals without the system itself', () => {
    assert.deepEqual(names(undefined), ['envoy_cluster_upstream_rq', 'envoy_cluster_upstream_rq_time', 'envoy_server_uptime'])
    assert.equal(filterMetrics(parseMetrics(envoy), {})[0]?.samples.length, 1)
  })

  test('the widest of several counts', () => {
    assert.equal(names({ profiles: profile('None', 'All', 'Basic') }).length, 4)
    assert.equal(names({ profiles: profile('None', 'Basic') }).length, 3)
    assert.deepEqual(names({ profiles: profile('None') }), [])
  })

  test('exclude takes out of the profile, include puts back in; every kind of selector', () => {
    const all = (kind: string, list: readonly object[]): readonly string[] => names({ profiles: { ...profile('All'), [kind]: list } })
    assert.equal(all('exclude', [{ type: 'Prefix', match: 'envoy_cluster' }]).length, 1)
    assert.equal(all('exclude', [{ type: 'Contains', match: 'rq_time' }]).length, 3)
    assert.equal(all('exclude', [{ type: 'Exact', match: 'envoy_server' }]).length, 4)
    assert.equal(all('exclude', [{ type: 'Regex', match: '_rq.*|uptime$' }]).length, 1)
    assert.equal(all('exclude', [{ type: 'Regex', match: '(' }]).length, 4)
    const none = {
      ...profile('None'),
      exclude: [{ type: 'Prefix', match: 'envoy' }],
      include: [{ type: 'Exact', match: 'envoy_server_uptime' }],
    }
    assert.deepEqual(names({ profiles: none }), ['envoy_server_uptime'])
  })
})
