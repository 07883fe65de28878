// Where the control planes of a stage keep their state.

export type StoreKind = 'embedded' | 'memory' | 'postgres'

/** On disk and in memory; all on disk; two in databases of one server and one on disk. Only the first has a place that may forget. */
export const layouts = {
  files: { global: 'embedded', east: 'embedded', west: 'memory' },
  disks: { global: 'embedded', east: 'embedded', west: 'embedded' },
  databases: { global: 'postgres', east: 'postgres', west: 'embedded' },
} as const satisfies Record<string, Readonly<Record<'global' | 'east' | 'west', StoreKind>>>

export type LayoutName = keyof typeof layouts
