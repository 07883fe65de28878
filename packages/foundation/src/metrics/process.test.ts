import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createMetrics } from './index.ts'

const valueOf = (text: string, name: string): number => {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `))
  assert.ok(line, `${name} is exposed`)
  return Number(line.slice(name.length + 1))
}

test('a process tells what it uses, each time anew', async () => {
  // the loop has a utilization once it turns
  await setImmediate()
  const metrics = createMetrics({ process: true })
  const first = (await metrics.expose()).text
  const rss = process.memoryUsage.rss()
  const seen = valueOf(first, 'process_resident_memory_bytes')
  assert.ok(seen > rss / 4 && seen < rss * 4, `${seen} is about ${rss}`)
  assert.ok(valueOf(first, 'nodejs_heap_size_used_bytes') <= valueOf(first, 'nodejs_heap_size_total_bytes'))
  assert.ok(Math.abs(valueOf(first, 'process_start_time_seconds') * 1000 + process.uptime() * 1000 - Date.now()) < 60_000)
  const cpu = valueOf(first, 'process_cpu_seconds_total')
  for (let until = process.cpuUsage().user + 50_000; process.cpuUsage().user < until; ) JSON.stringify({ spent: until })
  await setImmediate()
  const second = (await metrics.expose()).text
  assert.ok(valueOf(second, 'process_cpu_seconds_total') >= cpu + 0.05)
  assert.ok(valueOf(second, 'nodejs_eventloop_utilization') > 0)
})

test('a registry of parts tells nothing of the process', async () => {
  assert.equal((await createMetrics().expose()).text.trim(), '')
})
