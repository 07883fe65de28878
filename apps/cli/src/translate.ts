// weft translate: what a zone would make of files, without a control plane.
import { AppError } from '@weft/foundation/errors'
import { translate as translateDocuments, type Translation } from '@weft/translate'
import { readDocuments } from './documents.ts'
import { type Format, serialise, table } from './output.ts'

/** What can be shown; `node:NAME` shows a node of the graph. */
export const translateViews = ['summary', 'resources', 'rules', 'facts', 'envoy', 'graph'] as const

export interface TranslateCommand {
  readonly file: string
  readonly zone: string
  readonly show: string
  /** One dataplane, by name or `mesh/name`; all when absent. */
  readonly dataplane?: string
  readonly format: Format
}

interface Output {
  readonly print: (text: string) => void
  readonly warn: (text: string) => void
}

/** Translates and prints. Documents that are no resources are named and make the command fail after everything else is printed. */
export async function translate(command: TranslateCommand, { print, warn }: Output): Promise<void> {
  const documents = readDocuments(command.file, new Map())
  await using translation = await translateDocuments({ documents, zone: command.zone })
  for (const { source, message, violations } of translation.refused) {
    warn(`${source}: ${message}`)
    for (const violation of violations) warn(`  ${violation.field || '(resource)'}: ${violation.message}`)
  }
  show(translation, command, print)
  if (translation.refused.length > 0)
    throw new AppError('resource/invalid', `${translation.refused.length} of ${documents.length} documents are no valid resources`)
}

function show(translation: Translation, command: TranslateCommand, print: (text: string) => void): void {
  const { format } = command
  const data = (value: unknown): void => print(serialise(value, format === 'table' ? 'yaml' : format))
  const node = /^node:(.+)$/.exec(command.show)?.[1]
  if (node !== undefined) {
    const values = translation.node(node)
    if (!values) throw new AppError('cli/usage', `the graph has no node ${node}; --show graph lists them`)
    return data(Object.fromEntries(values))
  }
  if (command.show === 'resources') return data(translation.resources())
  if (command.show === 'graph') return showGraph(translation, format, print)
  const chosen = chosenDataplanes(translation, command.dataplane)
  if (command.show === 'summary') return showSummary(translation, chosen, { format, print })
  const of = viewOf(translation, command.show)
  data(Object.fromEntries(chosen.map((key) => [key, of(key)])))
}

function viewOf(translation: Translation, view: string): (key: string) => unknown {
  switch (view) {
    case 'rules':
      return (key) => translation.rules(key)
    case 'facts':
      return (key) => plainFacts(translation.facts(key))
    case 'envoy':
      return (key) => translation.envoy(key)
    default:
      throw new AppError('cli/usage', `--show takes ${translateViews.join(', ')} or node:NAME, not ${view}`)
  }
}

function chosenDataplanes({ dataplanes }: Translation, wanted: string | undefined): readonly string[] {
  if (wanted === undefined) return dataplanes
  const found = dataplanes.filter((key) => key === wanted || key.endsWith(`/${wanted}`))
  if (found.length === 0)
    throw new AppError('cli/usage', `no dataplane ${wanted} of this zone is in the files; there are ${dataplanes.join(', ') || 'none'}`)
  return found
}

function showSummary(
  translation: Translation,
  keys: readonly string[],
  { format, print }: { readonly format: Format; readonly print: (text: string) => void },
): void {
  const rows = keys.map((key) => {
    const facts = translation.facts(key)
    const envoy = Object.values(translation.envoy(key) ?? {})
    return {
      dataplane: key,
      inbounds: facts?.inbounds.length ?? 0,
      outbounds: facts?.outbounds.length ?? 0,
      policies: [...(facts?.policies.byType.values() ?? [])].flat().length,
      identity: facts?.identity?.spiffeId ?? '',
      resources: envoy.reduce((sum, byName) => sum + Object.keys(byName).length, 0),
      problems: translation.problems(key).map(({ resource, message }) => `${resource}: ${message}`),
    }
  })
  if (format !== 'table') return print(serialise(rows, format))
  print(
    table(
      ['DATAPLANE', 'INBOUNDS', 'OUTBOUNDS', 'POLICIES', 'ENVOY RESOURCES', 'IDENTITY'],
      rows.map((row) => [
        row.dataplane,
        String(row.inbounds),
        String(row.outbounds),
        String(row.policies),
        String(row.resources),
        row.identity,
      ]),
    ),
  )
  for (const row of rows) for (const problem of row.problems) print(`${row.dataplane}: ${problem}`)
}

function showGraph(translation: Translation, format: Format, print: (text: string) => void): void {
  const { nodes } = translation.graph()
  if (format !== 'table') return print(serialise(nodes, format))
  print(
    table(
      ['HEIGHT', 'NODE', 'KIND', 'KEYS'],
      nodes.map((node) => [String(node.height), node.name, node.kind, String(node.size)]),
    ),
  )
}

/** Facts as plain data: policies by type with the names that count. */
function plainFacts(facts: ReturnType<Translation['facts']>): unknown {
  if (!facts) return undefined
  return {
    ...facts,
    policies: Object.fromEntries([...facts.policies.byType].map(([type, policies]) => [type, policies.map(({ name }) => name)])),
  }
}
