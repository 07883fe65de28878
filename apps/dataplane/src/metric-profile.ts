// Which of Envoy's metrics are shown: a profile, then what is taken out, then what is put back (contract/policies.md section 3.15).
import { field, listField, textField } from '@weft/foundation/json'
import { labelOf, type MetricFamily } from './metric-text.ts'

type Selects = (name: string) => boolean

/** Parts of names in the profile Basic. */
const basicParts: readonly string[] = [
  'rq_time cx_length_ms cx_count _rq bytes timeout health_check lb_healthy_panic cx_destroy error fail reset eject overflow cancelled',
  'max_duration_reached no_cluster no_route no_filter_chain reject denied days_until_first_cert_expiring',
  'rbac cx_active cx_connect circuit_breakers cx_total ssl_handshake ssl_context_update_by_sds',
].flatMap((line) => line.split(' '))
const basicPrefixes = ['envoy_server', 'envoy_control_plane', 'envoy_dns_filter', 'envoy_dns_cares', 'kuma_dp_dns']
const basicNames: ReadonlySet<string> = new Set([
  'envoy_cluster_membership_degraded',
  'envoy_cluster_membership_healthy',
  'envoy_cluster_membership_total',
])
/** Labels that name the thing a metric is about. */
const entityLabels = ['envoy_cluster_name', 'envoy_http_conn_manager_prefix', 'envoy_listener_address']
const systemPrefix = 'system_'

/** The families that the `sidecar` part of a launcher's configuration lets through. Basic leaves out the system's own clusters and listeners. */
export function filterMetrics(families: readonly MetricFamily[], sidecar: unknown): MetricFamily[] {
  const profiles = field(sidecar, 'profiles')
  const names = new Set(listField(profiles, 'appendProfiles').map((profile) => textField(profile, 'name')))
  const profile = names.has('All') ? 'All' : names.has('Basic') || names.size === 0 ? 'Basic' : 'None'
  const exclude = selectors(listField(profiles, 'exclude'))
  const include = selectors(listField(profiles, 'include'))
  return families.flatMap((family) => {
    const { name } = family
    const inProfile = profile === 'All' || (profile === 'Basic' && isBasic(name))
    if (!((inProfile && !exclude(name)) || include(name))) return []
    if (profile !== 'Basic') return [family]
    const samples = family.samples.filter((sample) => !entityLabels.some((label) => labelOf(sample, label)?.startsWith(systemPrefix)))
    return samples.length === 0 ? [] : [{ ...family, samples }]
  })
}

function isBasic(name: string): boolean {
  return basicNames.has(name) || basicPrefixes.some((prefix) => name.startsWith(prefix)) || basicParts.some((part) => name.includes(part))
}

function selectors(list: readonly unknown[]): Selects {
  const all = list.map((item) => selector(textField(item, 'type'), textField(item, 'match')))
  return (name) => all.some((selects) => selects(name))
}

function selector(type: string, match: string): Selects {
  switch (type) {
    case 'Exact':
      return (name) => name === match
    case 'Prefix':
      return (name) => name.startsWith(match)
    case 'Contains':
      return (name) => name.includes(match)
    case 'Regex':
      return regex(match)
    default:
      return () => false
  }
}

/** The control plane has checked it; one that this engine does not know selects nothing. */
function regex(match: string): Selects {
  try {
    const compiled = new RegExp(match)
    return (name) => compiled.test(name)
  } catch {
    return () => false
  }
}
