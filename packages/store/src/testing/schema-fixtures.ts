// Dumps of every schema that was ever landed, all of the same content.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Resource } from '@weft/resources'

const folder = join(import.meta.dirname, '..', '..', '..', '..', 'test', 'fixtures', 'schema')

/** The dump of a version, as SQL. */
export function schemaFixture(driver: 'embedded' | 'postgres', version: number): string {
  return readFileSync(join(folder, `${driver}-${version}.sql`), 'utf8')
}

/** What every dump holds, and the last number of its change log. */
export function fixtureContent(): { readonly resources: readonly Resource[]; readonly seq: number } {
  // written from a store's listing
  return { resources: JSON.parse(readFileSync(join(folder, 'resources.json'), 'utf8')) as readonly Resource[], seq: 8 }
}
