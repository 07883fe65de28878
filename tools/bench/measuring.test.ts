import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { FakeClock } from '../../packages/foundation/src/time/index.ts'
import { createProbe } from '../../packages/reachability/src/probe.ts'
import { answeringIngress } from './answering-ingress.ts'
import { freeRange } from './port-range.ts'
import { cpuSecondsOf, machineCpuSeconds, secondsOf, usageOf } from './processes-usage.ts'
import { pathOf, permission, zoneAddress } from './resources.ts'

test('CPU times of ps are seconds', () => {
  assert.equal(secondsOf('01:02'), 62)
  assert.equal(secondsOf('1:02.50'), 62.5)
  assert.equal(secondsOf('01:00:01'), 3601)
  assert.equal(secondsOf('2-01:00:00'), 176_400)
})

test('a process group has memory and CPU time; one that is gone has none', async () => {
  const script = "let n = 0; while (process.cpuUsage().user < 150_000) n++; process.stdout.write('done'); setTimeout(() => {}, 600_000)"
  const child = spawn(process.execPath, ['-e', script], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
  const pid = child.pid ?? 0
  try {
    await new Promise((done) => child.stdout.once('data', done))
    const usage = usageOf([pid, 999_999_999])
    assert.ok((usage.get(pid)?.rssBytes ?? 0) > 10 * 1024 * 1024)
    assert.ok((usage.get(pid)?.cpuSeconds ?? 0) > 0.05)
    assert.ok(cpuSecondsOf(pid) > 0.05)
    assert.deepEqual(usage.get(999_999_999), { cpuSeconds: 0, rssBytes: 0 })
  } finally {
    const gone = new Promise((done) => child.once('exit', done))
    child.kill('SIGKILL')
    await gone
  }
  assert.equal(cpuSecondsOf(999_999_999), 0)
  assert.ok(machineCpuSeconds() > 0)
})

test('a range of ports is free as a whole; a base that is taken is told with the port', async () => {
  const first = await freeRange(20)
  const taken = createServer()
  await new Promise<void>((done) => void taken.listen(first + 7, '127.0.0.1', done))
  try {
    await assert.rejects(freeRange(20, first), new RegExp(`port ${first + 7} is taken`))
    assert.equal(await freeRange(7, first), first)
  } finally {
    await new Promise((done) => taken.close(done))
  }
})

test('resources go where the REST API has them', () => {
  assert.equal(pathOf({ type: 'Mesh', name: 'default' }), '/meshes/default')
  assert.equal(pathOf({ type: 'MeshIdentity', mesh: 'default', name: 'identity' }), '/meshes/default/meshidentities/identity')
  assert.equal(pathOf(zoneAddress('zone-1', 1)), '/meshes/default/meshzoneaddresses/zone-1-address')
  assert.equal(pathOf(permission(['zone-1'])), '/meshes/default/meshtrafficpermissions/callers')
})

test('a simulated ingress answers the probes of control planes', async () => {
  const ingress = await answeringIngress()
  try {
    const probe = createProbe(new FakeClock())
    const result = await probe({ address: '127.0.0.1', port: ingress.port, expectsAnswer: true })
    assert.deepEqual([result.ok, result.ok && result.answered], [true, true])
  } finally {
    ingress.close()
  }
})
