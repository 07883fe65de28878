// `weft migrate up|status`: the schema in PostgreSQL, which a control plane never changes by itself.
import { AppError } from '@weft/foundation/errors'
import type { ControlPlaneConfig } from './config.ts'
import { postgresSettings } from './open-store.ts'

/** Applies what is missing. Safe to run again, and at the same time as another. */
export async function migrate(config: ControlPlaneConfig, print: (text: string) => void): Promise<void> {
  const settings = settingsOf(config)
  const { migrateUp } = await import('@weft/store/postgres')
  const { applied, version } = await migrateUp(settings)
  for (const migration of applied) print(`applied ${migration.version}: ${migration.name}`)
  print(`the database ${settings.database} has schema version ${version}${applied.length === 0 ? ', nothing to do' : ''}`)
}

/** Prints the version and what is missing; resolves with whether a control plane of this version can use it. */
export async function showMigrations(config: ControlPlaneConfig, print: (text: string) => void): Promise<boolean> {
  const settings = settingsOf(config)
  const { migrationStatus } = await import('@weft/store/postgres')
  const { version, known, pending } = await migrationStatus(settings)
  print(`the database ${settings.database} has schema version ${version}, this program knows ${known}`)
  for (const migration of pending) print(`missing ${migration.version}: ${migration.name}`)
  if (pending.length > 0) print('run "weft migrate up"')
  if (version > known) print('it was made by a newer program')
  return version === known
}

function settingsOf(config: ControlPlaneConfig): ReturnType<typeof postgresSettings> {
  if (config.store.type !== 'postgres')
    throw new AppError(
      'config/invalid',
      `store.type is ${config.store.type}: only postgres is migrated by hand; set KUMA_STORE_TYPE=postgres`,
    )
  return postgresSettings(config)
}
