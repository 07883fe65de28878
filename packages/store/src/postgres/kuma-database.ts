// The database of a stock control plane, read once and as a whole (seen on master 348b6528: table `resources`, specs as JSON text, labels and status as
// jsonb, times without zone in UTC).
import pg from 'pg'
import { AppError, messageOf } from '@weft/foundation/errors'
import { isObject } from '@weft/foundation/json'
import type { Labels } from '@weft/resources'

/** One resource as it lies there, not checked. */
export interface KumaRow {
  readonly type: string
  readonly mesh: string
  readonly name: string
  readonly labels: Labels
  readonly spec: unknown
  readonly status: unknown
  /** RFC 3339, UTC. */
  readonly creationTime: string
  readonly modificationTime: string
}

interface Row {
  readonly type: string
  readonly mesh: string
  readonly name: string
  readonly spec: string | null
  readonly labels: unknown
  readonly status: unknown
  readonly created: string
  readonly modified: string
}

const utc = `'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`
const selectSql = `
  SELECT type, mesh, name, spec, labels, status, to_char(creation_time, ${utc}) AS created, to_char(modification_time, ${utc}) AS modified
  FROM resources ORDER BY type, mesh, name`

/** Reads everything at one moment, in a transaction that cannot write. Rejects with store/unavailable, never with the password in the message. */
export async function readKumaDatabase(dsn: string): Promise<readonly KumaRow[]> {
  let client: pg.Client | undefined
  try {
    client = new pg.Client({ connectionString: dsn, application_name: 'weft import', connectionTimeoutMillis: 10_000 })
    client.on('error', () => {})
    await client.connect()
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const { rows } = await client.query<Row>(selectSql)
    await client.query('COMMIT')
    return rows.map(rowOf)
  } catch (error) {
    const hint = error instanceof pg.DatabaseError && error.code === '42P01' ? ': it is not the database of a stock control plane' : ''
    throw new AppError('store/unavailable', `cannot read the database to import from: ${messageOf(error)}${hint}`)
  } finally {
    await client?.end().catch(() => {})
  }
}

function rowOf({ type, mesh, name, spec, labels, status, created, modified }: Row): KumaRow {
  const words = isObject(labels) ? Object.entries(labels).filter((entry): entry is [string, string] => typeof entry[1] === 'string') : []
  return {
    type,
    mesh,
    name,
    labels: Object.fromEntries(words),
    spec: jsonOf(spec),
    status,
    creationTime: created,
    modificationTime: modified,
  }
}

/** What is no JSON is told apart by the check of its kind. */
function jsonOf(spec: string | null): unknown {
  try {
    return spec === null || spec === '' ? {} : (JSON.parse(spec) as unknown)
  } catch {
    return spec
  }
}
