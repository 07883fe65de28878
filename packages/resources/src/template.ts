// The part of Go's text templates that names and identities use: `{{ .Field }}` and `{{ label "key" }}`, with trim markers.

export interface TemplateInput {
  /** Fields such as Mesh or Zone. */
  readonly fields: Readonly<Record<string, string>>
  /** What `label "key"` stands for; undefined when there is no such label. */
  label(key: string): string | undefined
}

/** The text, or why there is none: not a template, something only Go can evaluate, or a name that does not exist. */
export type Rendering = { readonly text: string } | { readonly problem: 'syntax' | 'unsupported' | 'missing'; readonly detail: string }

const action = /\{\{(-\s)?\s*([^{}]*?)\s*(\s-)?\}\}/g
const call = /^(?:\.([A-Za-z]\w*)|label\s+(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`))$/

/** Renders a template. Never throws. */
export function renderTemplate(template: string, input: TemplateInput): Rendering {
  let text = ''
  let position = 0
  let trim = false
  for (const match of template.matchAll(action)) {
    const literal = template.slice(position, match.index)
    if (literal.includes('{{')) return { problem: 'syntax', detail: 'unclosed action' }
    const value = evaluate(match[2] ?? '', input)
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

function evaluate(body: string, input: TemplateInput): Rendering {
  const found = call.exec(body)
  if (found === null) {
    return body === ''
      ? { problem: 'syntax', detail: 'missing value for command' }
      : { problem: 'unsupported', detail: `cannot evaluate ${body}` }
  }
  const field = found[1]
  if (field !== undefined) {
    const value = Object.hasOwn(input.fields, field) ? input.fields[field] : undefined
    return value === undefined ? { problem: 'missing', detail: `no field ${field}` } : { text: value }
  }
  const key = found[3] ?? (found[2] ?? '').replace(/\\(.)/g, '$1')
  const value = input.label(key)
  return value === undefined ? { problem: 'missing', detail: `no label ${key}` } : { text: value }
}

/** What a template renders to with sample values, as a violation message when it cannot. Actions only Go can evaluate pass unjudged. */
export function sampleRendering(template: string, fields: Readonly<Record<string, string>>): Rendering {
  return renderTemplate(template, { fields, label: () => 'label' })
}
