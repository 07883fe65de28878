// The part of Go's text templates that names and identities use: `{{ .Field }}` and `{{ label "key" }}`, with trim markers.
import type { Labels } from './model.ts'

export interface TemplateInput {
  /** Fields such as Mesh or Zone. */
  readonly fields: Readonly<Record<string, string>>
  /** What `label "key"` stands for. */
  readonly labels: Labels
}

/** The text, or why there is none: not a template, something only Go can evaluate, or a name that does not exist. */
export type Rendering = { readonly text: string } | { readonly problem: 'syntax' | 'unsupported' | 'missing'; readonly detail: string }

const action = /\{\{(-\s)?\s*([^{}]*?)\s*(\s-)?\}\}/g
const call = /^(?:\.([A-Za-z]\w*)|label\s+(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`))$/

/** Renders a template. Never throws. */
export function renderTemplate(template: string, { fields, labels }: TemplateInput): Rendering {
  return render(template, { field: (name) => ownOf(fields, name), label: (key) => ownOf(labels, key) })
}

/** What a template renders to when every label exists. */
export function sampleRendering(template: string, fields: Readonly<Record<string, string>>): Rendering {
  return render(template, { field: (name) => ownOf(fields, name), label: () => 'label' })
}

/** The fields and labels a template refers to. */
export function templateNames(template: string): { readonly fields: ReadonlySet<string>; readonly labels: ReadonlySet<string> } {
  const fields = new Set<string>()
  const labels = new Set<string>()
  for (const match of template.matchAll(action)) {
    const name = nameIn(match[2] ?? '')
    if (name?.kind === 'field') fields.add(name.name)
    if (name?.kind === 'label') labels.add(name.name)
  }
  return { fields, labels }
}

interface Lookup {
  field(name: string): string | undefined
  label(key: string): string | undefined
}

function render(template: string, lookup: Lookup): Rendering {
  let text = ''
  let position = 0
  let trim = false
  for (const match of template.matchAll(action)) {
    const literal = template.slice(position, match.index)
    if (literal.includes('{{')) return { problem: 'syntax', detail: 'unclosed action' }
    const value = evaluate(match[2] ?? '', lookup)
    if ('problem' in value) return value
    const left = trim ? literal.trimStart() : literal
    text += (match[1] === undefined ? left : left.trimEnd()) + value.text
    position = match.index + match[0].length
    trim = match[3] !== undefined
  }
  const rest = template.slice(position)
  if (rest.includes('{{')) return { problem: 'syntax', detail: 'unclosed action' }
  return { text: text + (trim ? rest.trimStart() : rest) }
}

function evaluate(body: string, lookup: Lookup): Rendering {
  const found = nameIn(body)
  if (found === undefined) {
    return body === ''
      ? { problem: 'syntax', detail: 'missing value for command' }
      : { problem: 'unsupported', detail: `cannot evaluate ${body}` }
  }
  const { kind, name } = found
  const text = lookup[kind](name)
  return text === undefined ? { problem: 'missing', detail: `no ${kind} ${name}` } : { text }
}

function nameIn(body: string): { readonly kind: 'field' | 'label'; readonly name: string } | undefined {
  const [whole, field, quoted, raw] = call.exec(body) ?? []
  if (whole === undefined) return undefined
  if (field !== undefined) return { kind: 'field', name: field }
  return { kind: 'label', name: raw ?? (quoted ?? '').replace(/\\(.)/g, '$1') }
}

function ownOf(values: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined
}
