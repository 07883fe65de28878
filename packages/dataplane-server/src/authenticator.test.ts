import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError, hasCode } from '@weft/foundation/errors'
import type { DataplaneTokenClaims, TokenFacts } from '@weft/identity'
import type { Labels, Resource } from '@weft/resources'
import { type AuthenticatorOptions, checkWorkloadLabel, createProxyAuthenticator } from './authenticator.ts'

const spiffe = { zone: 'east', environment: 'universal' } as const
const mid = (spiffeID: object, matchLabels: Labels = {}): Resource => ({
  type: 'MeshIdentity',
  mesh: 'default',
  name: 'mid1',
  labels: {},
  creationTime: '',
  modificationTime: '',
  version: 1,
  spec: { selector: { dataplane: { matchLabels } }, spiffeID },
})

function authenticator(
  claims: Partial<DataplaneTokenClaims>,
  change: Partial<AuthenticatorOptions> = {},
  identities: readonly Resource[] = [],
) {
  const full: DataplaneTokenClaims & TokenFacts = {
    name: '',
    mesh: 'default',
    tags: new Map(),
    type: '',
    workload: '',
    id: '1',
    kid: '1',
    expiresAt: undefined,
    ...claims,
  }
  return createProxyAuthenticator({
    authType: 'dpToken',
    tokens: { dataplane: async () => full },
    store: { list: () => identities },
    spiffe,
    ...change,
  })
}
const subject = (labels: Labels = {}) => ({ mesh: 'default', name: 'web-1', labels })
const refused = (message: RegExp) => (error: unknown) => hasCode(error, 'xds/unauthenticated') && message.test(error.message)

describe('dataplane tokens', () => {
  const allowed: [string, Partial<DataplaneTokenClaims>, Labels][] = [
    ['an unbound token', {}, {}],
    ['a token for the name', { name: 'web-1' }, {}],
    ['a token for one of several label values', { tags: new Map([['team', ['a', 'b']]]) }, { team: 'b' }],
    ['a token for the workload', { workload: 'web' }, { 'kuma.io/workload': 'web' }],
  ]
  for (const [name, claims, labels] of allowed) it(`allow ${name}`, () => authenticator(claims).authenticate(['t'], [subject(labels)]))

  const denied: [string, Partial<DataplaneTokenClaims>, Labels, RegExp][] = [
    ['another mesh', { mesh: 'other' }, {}, /mesh "other"/],
    ['another name', { name: 'web-2' }, {}, /"web-2"/],
    ['a missing label', { tags: new Map([['team', ['a']]]) }, {}, /requires the label "team"/],
    ['another label value', { tags: new Map([['team', ['a']]]) }, { team: 'b' }, /does not allow the value "b"/],
    ['an inherited label', { tags: new Map([['constructor', ['a']]]) }, {}, /requires the label/],
    ['another workload', { workload: 'web' }, { 'kuma.io/workload': 'api' }, /workload "web"/],
    ['no workload', { workload: 'web' }, {}, /workload "web"/],
  ]
  for (const [name, claims, labels, message] of denied) {
    it(`refuse ${name}`, () => assert.rejects(authenticator(claims).authenticate(['t'], [subject(labels)]), refused(message)))
  }

  it('are needed exactly once', async () => {
    for (const credentials of [[], [''], ['a', 'b']])
      await assert.rejects(authenticator({}).authenticate(credentials, [subject()]), refused(/exactly one/))
  })

  it('must be good for every subject', () =>
    assert.rejects(
      authenticator({ workload: 'web' }).authenticate(
        ['t'],
        [subject({ 'kuma.io/workload': 'web' }), subject({ 'kuma.io/workload': 'api' })],
      ),
      refused(/"api"/),
    ))

  it('must be bound to a workload where the identity is named after one', async () => {
    const labels = { 'kuma.io/workload': 'web' }
    await assert.rejects(
      authenticator({}, {}, [mid({})]).authenticate(['t'], [subject(labels)]),
      refused(/requires a workload-bound token/),
    )
    await authenticator({ workload: 'web' }, {}, [mid({})]).authenticate(['t'], [subject(labels)])
    await authenticator({}, {}, [mid({ path: '/fixed' })]).authenticate(['t'], [subject(labels)])
    await authenticator({}, {}, [mid({}, { other: 'x' })]).authenticate(['t'], [subject(labels)])
    await authenticator({}, {}, [mid({})]).authenticate(['t'], [subject()])
  })

  it('that cannot be judged yet are not refused', async () => {
    const later = authenticator(
      {},
      { tokens: { dataplane: () => Promise.reject(new AppError('token/keys-missing', 'later', { retryable: true })) } },
    )
    await assert.rejects(later.authenticate(['t'], [subject()]), (error) => hasCode(error, 'token/keys-missing'))
    const bad = authenticator({}, { tokens: { dataplane: () => Promise.reject(new AppError('token/invalid', 'expired')) } })
    await assert.rejects(bad.authenticate(['t'], [subject()]), refused(/expired/))
  })
})

describe('other ways', () => {
  it('none lets everyone in', () => authenticator({}, { authType: 'none' }).authenticate([], [subject()]))

  it('service accounts are compared with the pod', async () => {
    const labels = { 'k8s.kuma.io/namespace': 'ns', 'k8s.kuma.io/service-account': 'sa' }
    const of = (account?: { namespace: string; name: string }) =>
      authenticator({}, { authType: 'serviceAccountToken', reviewServiceAccount: async () => account })
    await of({ namespace: 'ns', name: 'sa' }).authenticate(['t'], [subject(labels)])
    await of({ namespace: 'ns', name: 'default' }).authenticate(['t'], [subject({ 'k8s.kuma.io/namespace': 'ns' })])
    await assert.rejects(of({ namespace: 'ns', name: 'other' }).authenticate(['t'], [subject(labels)]), refused(/ns\/other/))
    await assert.rejects(of({ namespace: 'other', name: 'sa' }).authenticate(['t'], [subject(labels)]), refused(/other\/sa/))
    await assert.rejects(of().authenticate(['t'], [subject(labels)]), refused(/not valid/))
  })

  it('a workload label is required by an identity named after it', () => {
    assert.throws(() => checkWorkloadLabel(subject(), [mid({})], spiffe), refused(/requires the label kuma.io\/workload/))
    checkWorkloadLabel(subject({ 'kuma.io/workload': 'web' }), [mid({})], spiffe)
    checkWorkloadLabel(subject(), [mid({ path: '/x' })], spiffe)
  })
})
