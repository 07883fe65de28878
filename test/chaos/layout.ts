// Where the control planes of a stage keep their state.

export type StoreKind = 'embedded' | 'memory' | 'postgres'

/** On disk and in memory; or two in databases of one server and one on disk, so that nothing may be forgotten. */
export const layouts = {
  files: { global: 'embedded', east: 'embedded', west: 'memory' },
  databases: { global: 'postgres', east: 'postgres', west: 'embedded' },
} as const satisfies Record<string, Readonly<Record<'global' | 'east' | 'west', StoreKind>>>

export type LayoutName = keyof typeof layouts
