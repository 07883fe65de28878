// Rules of HostnameGenerator that its schema cannot say (contract/resources.md section 10).
import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '../descriptor.ts'
import { invalidSubdomain1123, isRfc1123Subdomain } from '../names.ts'
import { sampleRendering } from '../template.ts'
import type { HostnameGeneratorSpec } from './hostname-generator.ts'

const sampleFields = { Name: 'name', DisplayName: 'displayname', Namespace: 'namespace', Mesh: 'mesh', Zone: 'zone' } as const

export function validateHostnameGenerator(spec: HostnameGeneratorSpec, { at }: ValidationContext): readonly Violation[] {
  const { selector, template, extension } = spec
  const violations: Violation[] = []
  const selectors = [selector.meshService, selector.meshExternalService, selector.meshMultiZoneService].filter((item) => item !== undefined)
  if (selectors.length !== 1) {
    violations.push({ field: `${at}.selector`, message: 'exact one selector (meshService, meshExternalService) must be defined' })
  }
  const message = templateMessage(template)
  if (message !== undefined) violations.push({ field: `${at}.template`, message })
  if (extension?.type === '') violations.push({ field: `${at}.extension.type`, message: 'must not be empty' })
  return violations
}

function templateMessage(template: string): string | undefined {
  if (template === '') return 'must not be empty'
  const rendering = sampleRendering(template, sampleFields)
  if ('text' in rendering) {
    if (isRfc1123Subdomain(rendering.text)) return undefined
    return `template renders to ${JSON.stringify(rendering.text)} which is not a valid DNS name: ${invalidSubdomain1123}`
  }
  if (rendering.problem === 'unsupported') return undefined
  const failed = rendering.problem === 'syntax' ? "couldn't parse template" : "couldn't render template with stub values"
  return `${failed}: template: :1: ${rendering.detail}`
}
