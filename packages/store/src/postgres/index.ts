// The PostgreSQL driver. An entry of its own, imported when it is used: who has another store keeps neither it nor its client in memory.
export { type KumaRow, readKumaDatabase } from './kuma-database.ts'
export { migrateUp, migrationStatus } from './migrate.ts'
export { openPostgresStore, type PostgresStoreOptions } from './open-postgres-store.ts'
