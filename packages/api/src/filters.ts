// Filters of lists (contract/rest-cli-gui.md section 2.4).
import { field } from '@weft/foundation/json'
import type { Violation } from '@weft/foundation/errors'
import { displayName, type Resource } from '@weft/resources'
import { rejectInvalid } from './problem.ts'

/** Keeps a resource in the list. */
export type Filter = (resource: Resource) => boolean

/** Those that all filters keep. Without a filter it is the list itself: a page of everything costs what the page costs, however long the list is. */
export function select(resources: readonly Resource[], filters: readonly (Filter | undefined)[]): readonly Resource[] {
  const asked = filters.filter((filter) => filter !== undefined)
  return asked.length === 0 ? resources : resources.filter((resource) => asked.every((keeps) => keeps(resource)))
}

const keyPattern = /^filter\[(.*)\]$/s

/**
 * Filters by name and labels, for every list; undefined where the query asks for none. `template`: the route in the reference's spelling, for
 * field paths.
 */
export function listFilter(query: URLSearchParams, template: string, title: string): Filter | undefined {
  const name = query.get('name') ?? ''
  const labels = new Map<string, string>()
  const violations: Violation[] = []
  for (const [key, value] of query) {
    const inner = keyPattern.exec(key)?.[1]
    if (inner === undefined) continue
    const field = `${template}.${key}`
    if (!inner.startsWith('labels.')) violations.push({ field, message: 'filters are only supported on labels' })
    else if (inner.includes('][')) violations.push({ field, message: 'advanced filters are not supported' })
    else labels.set(inner.slice('labels.'.length), value)
  }
  rejectInvalid(title, violations)
  if (name === '' && labels.size === 0) return undefined
  return (resource) =>
    (name === '' || resource.name.includes(name)) &&
    [...labels].every(([key, value]) => Object.hasOwn(resource.labels, key) && resource.labels[key] === value)
}

/** The further filters of Dataplane lists, `tag` and `gateway`; undefined where the query asks for none. */
export function dataplaneFilter(query: URLSearchParams, template: string, title: string): Filter | undefined {
  const tags = new Map<string, string>()
  for (const tag of query.getAll('tag')) {
    const at = tag.indexOf(':')
    if (at > 0) tags.set(tag.slice(0, at), tag.slice(at + 1))
  }
  const gateway = query.get('gateway') ?? ''
  // `builtin` and `delegated` are what the older release takes too; nothing is built in any more
  if (!['', 'true', 'false', 'builtin', 'delegated'].includes(gateway)) {
    rejectInvalid(title, [{ field: `${template}.gateway`, message: 'must be one of true, false, delegated' }])
  }
  if (gateway === '' && tags.size === 0) return undefined
  return (resource) => {
    const gatewayTags = gatewayOf(resource)
    if (gateway === 'builtin') return false
    if (gateway === 'false' ? gatewayTags !== undefined : gateway !== '' && gatewayTags === undefined) return false
    return tags.size === 0 || matchesAll(tags, resource.labels) || (gatewayTags !== undefined && matchesAll(tags, gatewayTags))
  }
}

function matchesAll(wanted: ReadonlyMap<string, string>, have: Readonly<Record<string, unknown>>): boolean {
  return [...wanted].every(([key, value]) => {
    const found = Object.hasOwn(have, key) ? have[key] : undefined
    return typeof found === 'string' && found.includes(value)
  })
}

/** Tags of a delegated gateway; undefined for other Dataplanes. */
function gatewayOf(resource: Resource): Readonly<Record<string, unknown>> | undefined {
  const gateway = field(field(resource.spec, 'networking'), 'gateway')
  if (gateway === undefined) return undefined
  const tags = field(gateway, 'tags')
  return typeof tags === 'object' && tags !== null ? { ...tags } : {}
}

/** True when labels of the resource meet a selector; `kuma.io/display-name` also matches a resource without that label. */
export function matchesLabels(selector: Readonly<Record<string, unknown>>, resource: Resource): boolean {
  return Object.entries(selector).every(([key, value]) =>
    key === 'kuma.io/display-name'
      ? displayName(resource) === value
      : Object.hasOwn(resource.labels, key) && resource.labels[key] === value,
  )
}
