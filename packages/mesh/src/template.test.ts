import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { renderTemplate, templateFields } from './index.ts'

const input = { fields: { Mesh: 'default', Zone: 'east' }, labels: { app: 'web', 'k8s.io/name': 'n' } }
const text = (template: string): string | undefined => renderTemplate(template, input).text

describe('renderTemplate', () => {
  it('renders fields and labels', () => {
    assert.equal(text('{{ .Mesh }}.{{.Zone}}.mesh.local'), 'default.east.mesh.local')
    assert.equal(text('/{{ label "app" }}/{{ label `k8s.io/name` }}'), '/web/n')
    assert.equal(text('a {{- .Mesh -}} b'), 'adefaultb')
    assert.equal(text('plain'), 'plain')
  })

  it('says what is wrong instead of throwing', () => {
    assert.match(renderTemplate('{{ .Nope }}', input).problem ?? '', /unknown field: Nope/)
    assert.match(renderTemplate('{{ label "none" }}', input).problem ?? '', /label not found: none/)
    assert.match(renderTemplate('{{ if .Mesh }}', input).problem ?? '', /unsupported action/)
    assert.match(renderTemplate('{{ .Mesh', input).problem ?? '', /unclosed/)
    assert.equal(text('{{ .constructor }}'), undefined)
    assert.equal(text('{{ label "__proto__" }}'), undefined)
  })

  it('never throws and leaves text without actions alone', () => {
    fc.assert(
      fc.property(fc.string(), (template) => {
        const result = renderTemplate(template, input)
        if (!template.includes('{{')) assert.equal(result.text, template)
      }),
    )
  })

  it('names the fields used', () => {
    assert.deepEqual([...templateFields('{{ .Mesh }}-{{ label "Zone" }}-x')], ['Mesh'])
  })
})
