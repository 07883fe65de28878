import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createGraph } from '@weft/graph'
import type { Labels } from '@weft/resources'
import { hasLabels, indexByLabel, selectByLabels } from './label-selection.ts'

interface Member {
  readonly key: string
  readonly mesh: string
  readonly labels: Labels
}

const mesh = fc.constantFrom('m', 'n')
const labels = fc.dictionary(
  fc.constantFrom('app', 'team', 'a=b', 'kuma.io/zone', 'kuma.io/env', 'kuma.io/mesh'),
  fc.constantFrom('', 'x', 'b=x'),
)

test('finds the members of a mesh that have all labels, common ones alone too, as members come, change and go', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ mesh, labels }), { minLength: 1, maxLength: 8 }),
      fc.array(fc.record({ mesh, labels })),
      (selectors, changes) => {
        const graph = createGraph({ clock: new FakeClock(), log: silentLogger })
        const members = graph.source<Member>('members')
        const wanted = graph.source<{ readonly mesh: string; readonly labels: Labels }>('selectors')
        const byLabel = indexByLabel(graph, 'byLabel', members)
        const selected = graph.map({ name: 'selected', from: wanted, reads: [byLabel] }, (scope, selector) =>
          selectByLabels(scope, byLabel, selector).map(({ key }) => key),
        )
        graph.transact('selectors', () => selectors.forEach((selector, n) => wanted.set(`s${n}`, selector)))
        graph.start()
        const present = new Map<string, Member>()
        for (const [n, change] of changes.entries()) {
          const member = { key: `k${n % 4}`, ...change }
          const goes = n % 5 === 4
          graph.transact('member', () => (goes ? members.delete(member.key) : members.set(member.key, member)))
          if (goes) present.delete(member.key)
          else present.set(member.key, member)
          for (const [at, selector] of selectors.entries()) {
            const expected = [...present.values()].filter((each) => each.mesh === selector.mesh && hasLabels(each.labels, selector.labels))
            const keys = Object.keys(selector.labels).length === 0 ? [] : expected.map(({ key }) => key).sort()
            assert.deepEqual(selected.get(`s${at}`), keys)
          }
        }
      },
    ),
  )
})
