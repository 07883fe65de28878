// Values by the values of their labels. Things are counted many times with the same few labels: finding what is counted makes no text and no object.

export type LabelValues = Readonly<Record<string, string>>

export interface ByLabels<T> {
  /** The value of these labels, made at the first question. Throws on a label without a name of its own here. */
  of(labels: LabelValues): T
  all(): Iterable<T>
}

type Level<T> = Map<string | undefined, Level<T> | T>

/** Values for labels of these names. */
export function byLabels<T extends object>(names: readonly string[], make: (labels: LabelValues) => T): ByLabels<T> {
  const all: T[] = []
  const root: Level<T> = new Map()
  const created = (labels: LabelValues): T => {
    for (const name of Object.keys(labels))
      if (!names.includes(name)) throw new Error(`no label is called ${name}, only ${names.join(', ')}`)
    const value = make({ ...labels })
    all.push(value)
    return value
  }
  const last = names.length - 1
  return {
    of: (labels) => {
      let level = root
      for (let depth = 0; depth < last; depth++) {
        const value = labels[names[depth] ?? '']
        let next = level.get(value)
        if (!next) level.set(value, (next = new Map<string | undefined, Level<T> | T>()))
        level = next as Level<T> // above the last name there are only levels
      }
      const value = labels[names[last] ?? '']
      let found = level.get(value)
      if (!found) level.set(value, (found = created(labels)))
      return found as T // and at the last name only values
    },
    all: () => all,
  }
}
