// Every figure the benchmark measures: what it is, in which unit, and the goal it is held against.
import { median } from '../../packages/testkit/src/fleet/percentiles.ts'
import type { Step } from './options.ts'

export interface Figure {
  readonly id: string
  readonly step: Step
  readonly label: string
  readonly unit: 'ms' | 's' | '%' | 'KiB' | 'MiB' | '/s' | ''
  /** At most this; absent where none was set. `below`: less than this. `above`: at least this. */
  readonly goal?: number
  readonly below?: true
  readonly above?: true
}

/** In the order they are printed. */
export const catalogue = [
  {
    id: 'traffic.deny',
    step: 'traffic',
    label: 'policy at global until a real Envoy of the other zone denies, median',
    unit: 'ms',
    goal: 100,
  },
  { id: 'traffic.denyWorst', step: 'traffic', label: '  worst round', unit: 'ms' },
  { id: 'traffic.allow', step: 'traffic', label: 'policy at global until it allows again, median', unit: 'ms', goal: 100 },
  { id: 'traffic.allowWorst', step: 'traffic', label: '  worst round', unit: 'ms' },
  { id: 'start.global', step: 'start', label: 'global start until its API answers', unit: 'ms' },
  { id: 'start.online', step: 'start', label: 'zone start to Online at global, slowest zone', unit: 'ms', goal: 1000 },
  { id: 'empty.zoneRss', step: 'empty', label: 'zone memory, no proxy', unit: 'MiB', goal: 100 },
  { id: 'empty.globalRss', step: 'empty', label: 'global memory, no proxy', unit: 'MiB' },
  { id: 'empty.zoneCpu', step: 'empty', label: 'zone idle CPU, no proxy', unit: '%' },
  { id: 'cold.complete', step: 'cold', label: 'cold start until every proxy is complete', unit: 'ms', goal: 3000 },
  { id: 'cold.completeP50', step: 'cold', label: '  p50 proxy complete', unit: 'ms' },
  { id: 'cold.responses', step: 'cold', label: '  responses for each proxy', unit: '' },
  { id: 'cold.bytes', step: 'cold', label: '  bytes for each proxy', unit: 'KiB' },
  { id: 'cold.zoneCpu', step: 'cold', label: '  CPU time of a zone', unit: 's' },
  { id: 'cold.fleetCpu', step: 'cold', label: '  CPU time of all simulated proxies', unit: 's' },
  { id: 'cold.unfinished', step: 'cold', label: '  INCOMPLETE proxies', unit: '', goal: 0 },
  { id: 'idle.zoneCpu', step: 'idle', label: 'zone idle CPU with all proxies', unit: '%', goal: 1, below: true },
  { id: 'idle.responses', step: 'idle', label: '  responses pushed while idle', unit: '' },
  { id: 'idle.zoneRss', step: 'idle', label: 'zone memory with all proxies', unit: 'MiB' },
  { id: 'idle.perProxy', step: 'idle', label: 'zone memory for each proxy', unit: 'KiB', goal: 300 },
  { id: 'idle.globalPerProxy', step: 'idle', label: 'global memory for each proxy', unit: 'KiB' },
  { id: 'edits.otherP50', step: 'edits', label: 'policy edit at global to p50 ACK, other zone', unit: 'ms', goal: 80 },
  { id: 'edits.otherLast', step: 'edits', label: 'policy edit at global to last ACK, other zone', unit: 'ms', goal: 250 },
  { id: 'edits.otherWorst', step: 'edits', label: '  last ACK, worst round', unit: 'ms' },
  { id: 'edits.ownP50', step: 'edits', label: '  p50, first zone', unit: 'ms' },
  { id: 'edits.ownLast', step: 'edits', label: '  last, first zone', unit: 'ms' },
  { id: 'edits.bytes', step: 'edits', label: 'bytes for each proxy in an edit of a field of every cluster', unit: 'KiB' },
  { id: 'edits.responses', step: 'edits', label: '  responses for each proxy', unit: '' },
  { id: 'edits.zoneCpu', step: 'edits', label: '  CPU time of a zone for each edit', unit: 's' },
  { id: 'edits.fleetCpu', step: 'edits', label: '  CPU time of all simulated proxies for each edit', unit: 's' },
  { id: 'services.otherP50', step: 'services', label: 'new service to p50, other zone', unit: 'ms', goal: 150 },
  { id: 'services.otherLast', step: 'services', label: '  last, other zone', unit: 'ms' },
  { id: 'services.ownP50', step: 'services', label: '  p50, own zone', unit: 'ms' },
  { id: 'services.ownLast', step: 'services', label: '  last, own zone', unit: 'ms' },
  { id: 'endpoints.ownP50', step: 'endpoints', label: 'last endpoint NotReady to p50, own zone', unit: 'ms', goal: 50 },
  { id: 'endpoints.ownLast', step: 'endpoints', label: 'last endpoint NotReady to last proxy, own zone', unit: 'ms', goal: 50 },
  { id: 'endpoints.otherP50', step: 'endpoints', label: 'last endpoint NotReady to p50, other zone', unit: 'ms', goal: 100 },
  { id: 'endpoints.otherLast', step: 'endpoints', label: 'last endpoint NotReady to last proxy, other zone', unit: 'ms', goal: 100 },
  { id: 'endpoints.backOwn', step: 'endpoints', label: '  Ready again to last proxy, own zone', unit: 'ms' },
  { id: 'endpoints.backOther', step: 'endpoints', label: '  Ready again to last proxy, other zone', unit: 'ms' },
  {
    id: 'disconnect.ownP50',
    step: 'disconnect',
    label: 'last proxy closes its stream: not preferred, p50, own zone',
    unit: 'ms',
    goal: 100,
  },
  {
    id: 'disconnect.ownLast',
    step: 'disconnect',
    label: 'last proxy closes its stream: not preferred, last, own zone',
    unit: 'ms',
    goal: 100,
  },
  { id: 'disconnect.otherLast', step: 'disconnect', label: '  last, other zone', unit: 'ms' },
  { id: 'restart.removed', step: 'restart', label: 'zone killed, memory store: resources removed', unit: '', goal: 0 },
  { id: 'restart.api', step: 'restart', label: '  its API answers again', unit: 'ms' },
  { id: 'restart.follows', step: 'restart', label: '  last proxy follows a policy edit again', unit: 'ms' },
  { id: 'restart.followsP50', step: 'restart', label: '  p50 proxy follows a policy edit again', unit: 'ms' },
  { id: 'restart.ready', step: 'restart', label: '  last proxy answered on a new stream', unit: 'ms' },
  { id: 'restart.complete', step: 'restart', label: '  last proxy complete again', unit: 'ms' },
  { id: 'embedded.removed', step: 'embedded', label: 'zone killed, default store (embedded): resources removed', unit: '', goal: 0 },
  { id: 'embedded.follows', step: 'embedded', label: '  last proxy follows a policy edit again', unit: 'ms', goal: 3000 },
  { id: 'embedded.followsP50', step: 'embedded', label: '  p50 proxy follows a policy edit again', unit: 'ms' },
  { id: 'embedded.api', step: 'embedded', label: '  its API answers again', unit: 'ms' },
  { id: 'embedded.ready', step: 'embedded', label: '  last proxy answered on a new stream', unit: 'ms' },
  { id: 'large.complete', step: 'large', label: 'one large zone: cold start', unit: 'ms' },
  { id: 'large.editP50', step: 'large', label: 'one large zone: policy edit to p50 ACK', unit: 'ms' },
  { id: 'large.editLast', step: 'large', label: 'one large zone: policy edit to last ACK', unit: 'ms' },
  { id: 'large.cpu', step: 'large', label: 'one large zone: idle CPU', unit: '%' },
  { id: 'large.rss', step: 'large', label: 'one large zone: memory', unit: 'MiB' },
  ...(
    [
      ['federation', ''],
      ['federationLarge', '10 x 200: '],
    ] as const
  ).flatMap(([id, size]) => [
    {
      id: `${id}.firstAckP50`,
      step: 'federation',
      label: `${size}policy commit at global to first remote ACK, p50`,
      unit: 'ms',
      goal: 80,
    } as const,
    { id: `${id}.firstAckP99`, step: 'federation', label: `${size}  p99 (worst of fewer than 100 rounds)`, unit: 'ms', goal: 300 } as const,
    {
      id: `${id}.stateP99`,
      step: 'federation',
      label: `${size}service state in one zone to ACK in another, p99`,
      unit: 'ms',
      goal: 500,
    } as const,
    { id: `${id}.globalCpu`, step: 'federation', label: `${size}  CPU of global meanwhile`, unit: '%' } as const,
    { id: `${id}.zoneCpu`, step: 'federation', label: `${size}  CPU of the busiest zone meanwhile`, unit: '%' } as const,
  ]),
  { id: 'federation.frozen', step: 'federation', label: 'a frozen zone is shown', unit: 'ms', goal: 8000 },
  { id: 'federation.quietCpu', step: 'federation', label: 'global with 50 quiet zones', unit: '%', goal: 2, below: true },
  {
    id: 'federation.ingest',
    step: 'federation',
    label: 'resource updates taken for each second of CPU',
    unit: '/s',
    goal: 5000,
    above: true,
  },
  { id: 'federation.join', step: 'federation', label: 'a zone with 10,000 dataplanes joins', unit: 'ms', goal: 3000 },
  {
    id: 'policies.cold',
    step: 'policies',
    label: 'matching and merging for every proxy from cold',
    unit: 'ms',
    goal: 1000,
    below: true,
  },
  { id: 'policies.coldCpu', step: 'policies', label: '  CPU time of it', unit: 'ms' },
  { id: 'policies.fullLast', step: 'policies', label: 'full regeneration: every proxy from nothing to complete', unit: 'ms' },
  { id: 'policies.fullRebuilds', step: 'policies', label: '  proxies built', unit: '' },
  { id: 'policies.fullResources', step: 'policies', label: '  resources pushed', unit: '' },
  { id: 'policies.fullBytes', step: 'policies', label: '  bytes pushed', unit: 'KiB' },
  { id: 'policies.fullCpu', step: 'policies', label: '  CPU time of the zone', unit: 's' },
  { id: 'policies.allLast', step: 'policies', label: 'policy edit that touches all, to last ACK', unit: 'ms', goal: 3000 },
  { id: 'policies.allP50', step: 'policies', label: '  p50', unit: 'ms' },
  { id: 'policies.allRebuilds', step: 'policies', label: '  proxies built', unit: '' },
  { id: 'policies.allResources', step: 'policies', label: '  resources pushed', unit: '' },
  { id: 'policies.allBytes', step: 'policies', label: '  bytes pushed', unit: 'KiB' },
  { id: 'policies.allCpu', step: 'policies', label: '  CPU time of the zone', unit: 's' },
  { id: 'policies.oneRebuilds', step: 'policies', label: 'policy edit that touches one proxy: proxies built', unit: '', goal: 1 },
  { id: 'policies.oneResources', step: 'policies', label: '  resources pushed', unit: '' },
  { id: 'policies.oneBytes', step: 'policies', label: '  bytes pushed', unit: 'KiB' },
  { id: 'policies.oneCpu', step: 'policies', label: '  CPU time of the zone', unit: 's' },
  { id: 'policies.noopResources', step: 'policies', label: 'edits that change nothing: resources pushed', unit: '', goal: 0 },
  { id: 'policies.noopRebuilds', step: 'policies', label: '  proxies built', unit: '' },
  { id: 'federation.memory', step: 'federation', label: 'global memory for each Dataplane with its insight', unit: 'KiB', goal: 8 },
  { id: 'store.open', step: 'store', label: '10,000 dataplanes and insights: open and load from PostgreSQL', unit: 'ms' },
  { id: 'store.openOnDisk', step: 'store', label: '  from an embedded store', unit: 'ms' },
  { id: 'store.notifyP50', step: 'store', label: 'write at one instance visible at another, LISTEN/NOTIFY, p50', unit: 'ms', goal: 50 },
  { id: 'store.notifyP99', step: 'store', label: '  p99 of 200', unit: 'ms' },
  { id: 'store.natsP50', step: 'store', label: '  by NATS, behind a pooler that shares sessions, p50', unit: 'ms', goal: 20 },
  { id: 'store.natsP99', step: 'store', label: '  p99 of 200', unit: 'ms' },
  { id: 'store.writes', step: 'store', label: 'single-resource writes, 16 clients', unit: '/s', goal: 500, above: true },
  { id: 'store.writesOfTwo', step: 'store', label: '  at two instances by turns', unit: '/s' },
  { id: 'store.writesOnDisk', step: 'store', label: '  in an embedded store', unit: '/s' },
  { id: 'store.insights', step: 'store', label: 'insight updates sustained, of 2,000/s sent', unit: '/s', goal: 1950, above: true },
  { id: 'store.insightsCpu', step: 'store', label: '  CPU of the database', unit: '%', goal: 20 },
  { id: 'store.insightsOwnCpu', step: 'store', label: '  CPU of the process that writes, and sends', unit: '%' },
  { id: 'scale.start', step: 'scale', label: 'zone with 10,000 dataplanes: start until ready, PostgreSQL', unit: 'ms', goal: 3000 },
  { id: 'scale.startOnDisk', step: 'scale', label: '  embedded store', unit: 'ms', goal: 3000 },
  { id: 'scale.pageP95', step: 'scale', label: '  REST: pages of 1,000 dataplanes, p95', unit: 'ms', goal: 100, below: true },
  { id: 'scale.writes', step: 'scale', label: '  REST: single-resource writes, 16 clients', unit: '/s', goal: 500, above: true },
  { id: 'scale.idleStatements', step: 'scale', label: 'global and a zone of 200: statements in the databases, idle', unit: '/s' },
  { id: 'scale.idleCpu', step: 'scale', label: '  CPU of the database', unit: '%' },
  { id: 'scale.churnStatements', step: 'scale', label: '  statements with 10 edits a second', unit: '/s' },
  { id: 'scale.churnCpu', step: 'scale', label: '  CPU of the database', unit: '%' },
] as const satisfies readonly Figure[]

export type FigureId = (typeof catalogue)[number]['id']

/** What one run of one control plane gave. */
export interface Measured {
  readonly values: ReadonlyMap<FigureId, number>
  /** Rounds of any step that not every proxy finished. */
  readonly incompleteRounds: number
  readonly rounds: number
  /** Responses refused by any proxy in any step. */
  readonly nacks: number
  readonly failures: readonly string[]
}

/** One row of the result: medians over runs, one value for each control plane. */
export interface Row {
  readonly id: string
  readonly label: string
  readonly unit: string
  readonly goal: string
  readonly values: readonly (number | undefined)[]
  /** Whether the first control plane meets the goal; undefined without a goal or a value. */
  readonly isMet: boolean | undefined
  /** Second over first. */
  readonly ratio: number | undefined
}

/** Rows of all figures that any run was asked for. */
export function rowsOf(runs: readonly (readonly Measured[])[], steps: ReadonlySet<Step>): readonly Row[] {
  const rows = catalogue
    .filter(({ id, step }) => steps.has(step) || runs.flat().some(({ values }) => values.has(id)))
    .map((figure) =>
      row(
        figure,
        runs.map((side) => median(side.map(({ values }) => values.get(figure.id)).filter((value) => value !== undefined))),
      ),
    )
  const sum = (of: (run: Measured) => number): readonly number[] => runs.map((side) => side.reduce((total, run) => total + of(run), 0))
  const counted = { step: 'start', unit: '', goal: 0 } as const
  return [
    ...rows,
    row(
      { ...counted, id: 'all.incomplete', label: `INCOMPLETE rounds, of ${sum((run) => run.rounds).join(' / ')} in all steps` },
      sum((run) => run.incompleteRounds),
    ),
    row(
      { ...counted, id: 'all.nacks', label: 'NACKs in all steps' },
      sum((run) => run.nacks),
    ),
    row(
      { ...counted, id: 'all.failures', label: 'FAILED steps' },
      sum((run) => run.failures.length),
    ),
  ]
}

function row({ id, label, unit, goal, below, above }: Figure, values: readonly (number | undefined)[]): Row {
  const [first, second] = values
  return {
    id,
    label,
    unit,
    goal: goal === undefined ? '' : `${below ? '<' : above ? '>=' : '<='} ${formatted(goal)}`,
    values,
    isMet: goal === undefined || first === undefined ? undefined : below ? first < goal : above ? first >= goal : first <= goal,
    ratio: first !== undefined && second !== undefined && first !== 0 ? second / first : undefined,
  }
}

/** Rows as a table of text. */
export function table(rows: readonly Row[], labels: readonly string[]): string {
  const isCompared = labels.length > 1
  const header = ['figure', ...labels, ...(isCompared ? ['ratio'] : []), '', 'goal', '']
  const lines = rows.map(({ label, values, unit, goal, isMet, ratio }) => [
    label,
    ...labels.map((_, side) => formatted(values[side])),
    ...(isCompared ? [ratio === undefined ? '' : `x ${formatted(ratio)}`] : []),
    unit,
    goal,
    isMet === undefined ? (goal === '' ? '' : 'not measured') : isMet ? 'met' : 'MISSED',
  ])
  const widths = header.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)))
  const isNumber = (column: number): boolean => column >= 1 && column <= labels.length + (isCompared ? 1 : 0)
  const print = (line: readonly string[]): string =>
    line
      .map((cell, column) => (isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd()
  return [print(header), ...lines.map(print)].join('\n')
}

function formatted(value: number | undefined): string {
  if (value === undefined) return '-'
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US')
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)
}
