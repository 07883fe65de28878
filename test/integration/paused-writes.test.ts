// A leader that is stopped (SIGSTOP) in the very middle of a leader-only write: the statement is under way in the database, or its COMMIT is.
// What it wrote then is whole and comes before everything of the next leader, or it is not there at all; going on, it can commit nothing more.
// The moment is no accident: the statement waits in the database until the test lets it go on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../apps/demo/src/rest.ts'
import { withoutPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { ledWork } from './led-work.ts'
import { leadingPlanes, otherOf, patienceMs, type ReplicaName } from './leading-planes.ts'

/** Short, so that nobody waits for long. What is claimed holds for any. */
const leaseMs = 8000
const zones: readonly ReplicaName[] = ['zone-a', 'zone-b']

/**
 * Which service's first write waits, and where: in its statement, or in its COMMIT. It waits as long as the test holds the gate of that number, also
 * beyond the time that writers wait for a lock.
 */
const gates = `
  CREATE TABLE public.gated (service text, gate bigint);
  CREATE FUNCTION public.wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('lock_timeout', '0', true) FROM public.gated WHERE service = NEW.name AND gate = TG_ARGV[0]::bigint;
    PERFORM pg_advisory_xact_lock_shared(gate) FROM public.gated WHERE service = NEW.name AND gate = TG_ARGV[0]::bigint;
    RETURN NULL;
  END $$;
  CREATE TRIGGER in_statement AFTER INSERT ON weft.log FOR EACH ROW WHEN (NEW.type = 'MeshService') EXECUTE FUNCTION public.wait_at_gate(1);
  CREATE CONSTRAINT TRIGGER in_commit AFTER INSERT ON weft.log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.type = 'MeshService') EXECUTE FUNCTION public.wait_at_gate(2)`

test('a leader that is paused in the middle of a write', { skip: withoutPostgres(), timeout: 580_000 }, async (t) => {
  const planes = await leadingPlanes({ leaseMs })
  t.after(() => planes[Symbol.asyncDispose]())
  const work = ledWork(planes)
  const database = planes.database('zone')
  await planes.server.query(database, gates)
  const gatekeeper = await planes.server.connect(database)
  t.after(() => gatekeeper.end())
  const losts = (name: ReplicaName): number => planes.log(name).split('lease lost').length
  /** Sessions of a replica that wait for a lock of this kind in a statement with this text. */
  const waiting = async (name: ReplicaName, event: string, text: string): Promise<readonly number[]> => {
    const question = `SELECT pid FROM pg_stat_activity WHERE usename = $1 AND wait_event_type = 'Lock' AND wait_event LIKE $2 AND query LIKE $3`
    const { rows } = await gatekeeper.query<{ pid: number }>(question, [name, event, `%${text}%`])
    return rows.map(({ pid }) => pid)
  }

  await planes.start('global-a')
  await Promise.all(zones.map((name) => planes.start(name)))
  await work.generated('zone-a', zones)

  const cases = [
    { gate: 1, moment: 'a statement under way, and the database carries it out', isCutOff: false },
    { gate: 1, moment: 'a statement under way, and the database gives its session up', isCutOff: true },
    { gate: 2, moment: 'a COMMIT under way, and the database carries it out', isCutOff: false },
    { gate: 2, moment: 'a COMMIT under way, and the database gives its session up', isCutOff: true },
  ]
  for (const { gate, moment, isCutOff } of cases) {
    await t.test(moment, async () => {
      const paused = await planes.leader('zone')
      const next = otherOf(paused)
      const known = losts(paused)
      await gatekeeper.query('SELECT pg_advisory_lock($1)', [gate])
      await gatekeeper.query('INSERT INTO public.gated VALUES ($1, $2)', [work.upcoming, gate])
      const workload = await work.register(next)
      let session: number | undefined
      await until(`${paused} writes`, async () => ([session] = await waiting(paused, 'advisory', '')).length > 0, patienceMs)
      planes.signal(paused, 'SIGSTOP')
      const { epoch } = await planes.lease('zone')
      // nobody takes the lease as long as a write that depends on it may still be committed
      await until(`${next} asks for the lease`, async () => (await waiting(next, '%', 'INTO weft.leases')).length > 0, patienceMs)
      assert.deepEqual(await work.writersOf('zone', `MeshService ${workload}`), [], 'not there yet')
      const during = await planes.lease('zone')
      assert.deepEqual([during.leader, during.epoch], [paused, epoch])

      if (isCutOff) {
        await gatekeeper.query('SELECT pg_terminate_backend($1)', [session])
        const left = (): Promise<{ readonly rows: readonly unknown[] }> =>
          gatekeeper.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [session])
        await until('the session is over', async () => (await left()).rows.length === 0, patienceMs)
      }
      await gatekeeper.query('SELECT pg_advisory_unlock($1)', [gate])
      assert.equal(await planes.leader('zone', paused), next)
      await work.shown(workload, next)
      const [first] = await work.writersOf('zone', `MeshService ${workload}`)
      assert.equal(first, isCutOff ? next : paused)
      await work.generated(next, [next])

      const taken = (await planes.lease('zone')).epoch
      assert.ok(taken > epoch)
      planes.signal(paused, 'SIGCONT')
      await until(`${paused} knows`, async () => losts(paused) > known, patienceMs)
      // through the one that was paused: it has read what the other did, and had it anything to write, it would have by now
      await work.generated(paused, zones)
      const old = (await planes.ledWrites('zone')).filter((write) => write.epoch <= epoch)
      const since = (await planes.ledWrites('zone')).filter((write) => write.epoch >= taken)
      assert.ok(since.length > 0)
      assert.ok(Math.max(...old.map(({ seq }) => seq)) < Math.min(...since.map(({ seq }) => seq)), 'nothing of the old epoch comes later')
      await work.isFencedThroughout(['zone'])
    })
  }

  await t.test('no acknowledged write is lost, no log has a hole, every chain holds', async () => {
    for (const name of zones) for (const workload of work.registered) await work.shown(workload, name)
    assert.deepEqual(await work.logFaults('zone', zones), [])
    for (const name of zones) assert.doesNotMatch(planes.log(name), /uncaught exception|unhandled rejection/, name)
  })
})
