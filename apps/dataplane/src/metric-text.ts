// Metrics in Prometheus' text form: families that can be joined, filtered and labelled without understanding their values.

/** One metric with all its samples, as lines of text. */
export interface MetricFamily {
  readonly name: string
  /** HELP and TYPE lines. */
  readonly head: readonly string[]
  readonly samples: readonly string[]
}

const nameOf = /^([a-zA-Z_:][a-zA-Z0-9_:]*)/

/** Families of a text in their order. Samples of a histogram or summary belong to the family that was announced. */
export function parseMetrics(text: string): MetricFamily[] {
  const families = new Map<string, { name: string; head: string[]; samples: string[] }>()
  const family = (name: string): { name: string; head: string[]; samples: string[] } => {
    let found = families.get(name)
    if (found === undefined) {
      found = { name, head: [], samples: [] }
      families.set(name, found)
    }
    return found
  }
  let current = ''
  for (const line of text.split('\n')) {
    const announced = /^#\s+(HELP|TYPE)\s+(\S+)/.exec(line)
    if (announced?.[2] !== undefined) {
      current = announced[2]
      const { head } = family(current)
      if (!head.some((known) => known.startsWith(`# ${announced[1]} `))) head.push(line)
      continue
    }
    const name = nameOf.exec(line)?.[1]
    if (name === undefined) continue
    const suffixed =
      current !== '' && name.startsWith(current) && ['', '_bucket', '_sum', '_count', '_total'].includes(name.slice(current.length))
    family(suffixed ? current : name).samples.push(line)
  }
  return [...families.values()]
}

/** Families of several texts, those of one name as one. */
export function joinFamilies(lists: readonly (readonly MetricFamily[])[]): MetricFamily[] {
  const joined = new Map<string, MetricFamily>()
  for (const family of lists.flat()) {
    const known = joined.get(family.name)
    joined.set(family.name, known === undefined ? family : { ...known, samples: [...known.samples, ...family.samples] })
  }
  return [...joined.values()]
}

/** The value of a label of a sample; undefined when it has none. */
export function labelOf(sample: string, label: string): string | undefined {
  const found = new RegExp(`[{,]\\s*${label}="((?:[^"\\\\]|\\\\.)*)"`).exec(sample)
  return found?.[1]
}

/** The family with further labels on each sample; a label that a sample has already stays as it is. */
export function labelled(family: MetricFamily, labels: Readonly<Record<string, string>>): MetricFamily {
  const pairs = Object.entries(labels).map(([name, value]) => [name.replaceAll(/[^a-zA-Z0-9_]/g, '_'), escapeValue(value)] as const)
  return {
    ...family,
    samples: family.samples.map((sample) => {
      const added = pairs.filter(([name]) => labelOf(sample, name) === undefined).map(([name, value]) => `${name}="${value}"`)
      if (added.length === 0) return sample
      const name = nameOf.exec(sample)?.[1] ?? ''
      const rest = sample.slice(name.length)
      if (!rest.startsWith('{')) return `${name}{${added.join(',')}}${rest}`
      const inner = rest.slice(1)
      return `${name}{${added.join(',')}${inner.startsWith('}') ? '' : ','}${inner}`
    }),
  }
}

/** The text of families. */
export function formatMetrics(families: readonly MetricFamily[]): string {
  return families.map(({ head, samples }) => [...head, ...samples].map((line) => `${line}\n`).join('')).join('')
}

function escapeValue(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
