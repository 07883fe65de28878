// Every version of the schema in PostgreSQL, oldest first. A landed one is never edited: what changes is a new one at the end.

export interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
}

/** Everything lies in a schema of its own, so that a database that a stock control plane used can be used as it is. */
export const postgresMigrations: readonly Migration[] = [
  {
    version: 1,
    name: 'resources and change log',
    sql: `
      CREATE TABLE weft.store (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        id uuid NOT NULL DEFAULT gen_random_uuid(),
        -- desired entries up to here were pruned; the chain goes on from this hash
        checkpoint_seq bigint NOT NULL DEFAULT 0,
        checkpoint_hash bytea NOT NULL DEFAULT ''
      );
      INSERT INTO weft.store DEFAULT VALUES;

      -- one row that every writer updates last: it hands out numbers, orders commits and holds the end of the hash chain
      CREATE TABLE weft.counter (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        seq bigint NOT NULL DEFAULT 0,
        chain_seq bigint NOT NULL DEFAULT 0,
        chain_hash bytea NOT NULL DEFAULT ''
      ) WITH (fillfactor = 10);
      INSERT INTO weft.counter DEFAULT VALUES;

      -- body: {"labels", "spec", "status"} as text, because jsonb cannot hold every JSON string
      CREATE TABLE weft.resources (
        type text COLLATE "C" NOT NULL, mesh text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
        body text NOT NULL, created text NOT NULL, modified text NOT NULL, version bigint NOT NULL,
        PRIMARY KEY (type, mesh, name)
      );

      -- tx: seq of the last change of the same transaction. Entries of class observed have no bodies and no place in the hash chain.
      CREATE TABLE weft.log (
        seq bigint PRIMARY KEY, tx bigint NOT NULL, time text COLLATE "C" NOT NULL,
        class text NOT NULL, actor text NOT NULL, reason text NOT NULL, op text NOT NULL,
        type text COLLATE "C" NOT NULL, mesh text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL,
        created text, before text, after text, previous bigint, hash bytea
      );
      CREATE INDEX log_observed ON weft.log (seq) WHERE class = 'observed';
      CREATE INDEX log_desired ON weft.log (seq) WHERE class = 'desired';
      CREATE INDEX log_history ON weft.log (type, mesh, name, seq) WHERE class = 'desired';
    `,
  },
  {
    version: 2,
    name: 'sealed and signed history',
    sql: `
      -- whose key seals values and signs the ends of the chain; '' until the first control plane with a key opens the store
      ALTER TABLE weft.store ADD COLUMN history_key text NOT NULL DEFAULT '', ADD COLUMN checkpoint_signature text NOT NULL DEFAULT '';
      ALTER TABLE weft.counter ADD COLUMN chain_signature text NOT NULL DEFAULT '';
      -- sealed: the specs in before and after can only be read with the key
      ALTER TABLE weft.log ADD COLUMN sealed boolean NOT NULL DEFAULT false;
    `,
  },
  {
    version: 3,
    name: 'leases',
    sql: `
      -- name and epoch are a key, so that taking a lease waits for writes that hold on to its epoch and renewing it does not
      CREATE TABLE weft.leases (
        name text COLLATE "C" PRIMARY KEY, holder text NOT NULL, epoch bigint NOT NULL, until timestamptz NOT NULL, UNIQUE (name, epoch)
      ) WITH (fillfactor = 10);
      -- the processes that share this database
      CREATE TABLE weft.instances (id text COLLATE "C" PRIMARY KEY, host text, port integer, until timestamptz NOT NULL) WITH (fillfactor = 10);
    `,
  },
]

/** The version this program reads and writes. */
export const postgresSchemaVersion: number = postgresMigrations.at(-1)?.version ?? 0
