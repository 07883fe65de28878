// The part of Go's text templates that resource fields use: `{{ .Field }}` and `{{ label "key" }}` with trim markers, nothing else.

/** What a template may refer to. */
export interface TemplateInput {
  /** Fields such as Mesh or Zone. An unknown field is an error. */
  readonly fields: Readonly<Record<string, string>>
  /** Labels for the `label` function. A missing label is an error. */
  readonly labels: Readonly<Record<string, string>>
}

export type Rendered = { readonly text: string; readonly problem?: undefined } | { readonly problem: string; readonly text?: undefined }

const action = /\{\{(-\s)?\s*(.*?)\s*(\s-)?\}\}/gs
const expression = /^(?:\.([A-Za-z][A-Za-z0-9]*)|label\s+(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`))$/

/** Renders a template; an unknown field, missing label or any other action is a problem, never an exception. */
export function renderTemplate(template: string, input: TemplateInput): Rendered {
  let text = ''
  let position = 0
  let trimNext = false
  for (const match of template.matchAll(action)) {
    const [whole, trimLeft, body = '', trimRight] = match
    let literal = template.slice(position, match.index)
    if (trimNext) literal = literal.trimStart()
    if (trimLeft !== undefined) literal = literal.trimEnd()
    const value = evaluate(body, input)
    if (value.problem !== undefined) return value
    text += literal + value.text
    position = match.index + whole.length
    trimNext = trimRight !== undefined
  }
  const rest = template.slice(position)
  if (rest.includes('{{')) return { problem: 'unclosed action' }
  return { text: text + (trimNext ? rest.trimStart() : rest) }
}

/** Names of the fields a template refers to. */
export function templateFields(template: string): ReadonlySet<string> {
  const fields = new Set<string>()
  for (const [, , body = ''] of template.matchAll(action)) {
    const field = expression.exec(body)?.[1]
    if (field !== undefined) fields.add(field)
  }
  return fields
}

function evaluate(body: string, input: TemplateInput): Rendered {
  const match = expression.exec(body)
  if (!match) return { problem: `unsupported action: ${body}` }
  const [, field, quoted, raw] = match
  if (field !== undefined) {
    const value = Object.hasOwn(input.fields, field) ? input.fields[field] : undefined
    return value === undefined ? { problem: `unknown field: ${field}` } : { text: value }
  }
  const key = raw ?? (quoted ?? '').replace(/\\(.)/g, '$1')
  const value = Object.hasOwn(input.labels, key) ? input.labels[key] : undefined
  return value === undefined ? { problem: `label not found: ${key}` } : { text: value }
}
