// `weft import --from-kuma-postgres`: takes what a stock control plane keeps in its database into the store of a stopped one of ours. Only reads there.
import { checkSpec, checkStatus, coreDescriptors, createRegistry, type Registry, type Resource } from '@weft/resources'
import { policyDescriptors } from '@weft/policies'
import type { KumaRow } from '@weft/store/postgres'
import type { ControlPlaneConfig } from './config.ts'
import { type LeftOut, type Print, type WriteOptions, writeResources } from './write-resources.ts'

export interface ImportOptions extends WriteOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly from: string
}

/** Resolves when the preview is printed and, with `yes`, the store has it. What our store has and the database has not stays. */
export async function importFromKuma(config: ControlPlaneConfig, options: ImportOptions, print: Print): Promise<void> {
  const registry = createRegistry([...coreDescriptors, ...policyDescriptors])
  const { readKumaDatabase } = await import('@weft/store/postgres')
  const rows = await readKumaDatabase(options.from)
  const { resources, leftOut } = resourcesOf(registry, rows)
  const source = {
    title: `database of a stock control plane, ${rows.length} resources`,
    shown: { rows: rows.length },
    reason: 'import from a stock control plane',
  }
  await writeResources({ config, registry }, { ...source, resources, leftOut, isAll: false }, { options, print })
}

/** The list of its processes, which are not ours. */
const catalogue = 'cp-catalog'

/** Rows as resources of ours; what we could not serve is named. */
export function resourcesOf(
  registry: Registry,
  rows: readonly KumaRow[],
): { readonly resources: readonly Resource[]; readonly leftOut: readonly LeftOut[] } {
  const resources: Resource[] = []
  const leftOut: LeftOut[] = []
  for (const row of rows) {
    const kind = registry.get(row.type)
    if (kind?.rest?.readOnly === true || (row.type === 'Config' && row.name === catalogue)) continue
    const { type, mesh, name, labels, creationTime, modificationTime } = row
    const resource = { type, mesh, name, labels, creationTime, modificationTime, version: 0, spec: {} }
    const outcome = kind ? checkSpec(kind, row.spec) : undefined
    const [problem] = outcome?.violations ?? []
    if (!kind) leftOut.push({ resource, reason: 'this version does not know the kind' })
    else if (problem) leftOut.push({ resource, reason: `${problem.field}: ${problem.message}` })
    else {
      const status = checkStatus(kind, row.status)
      resources.push({ ...resource, spec: outcome?.value, ...(status === undefined ? {} : { status }) })
    }
  }
  return { resources, leftOut }
}
