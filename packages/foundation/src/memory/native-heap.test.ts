import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { nativeHeapTrim } from './native-heap.ts'

const hasTrim = nativeHeapTrim() !== undefined

test('pages between buffers that are kept are given back', { skip: hasTrim ? false : 'the C library is not glibc' }, () => {
  const program = `
    import { ownHeap } from ${JSON.stringify(new URL('heap-engine.ts', import.meta.url).href)}
    const heap = ownHeap()
    heap.collect()
    let buffers = Array.from({ length: 3200 }, () => Buffer.allocUnsafeSlow(32 << 10).fill(1))
    const full = process.memoryUsage.rss()
    buffers = buffers.filter((_, index) => index % 16 === 0)
    heap.collect()
    heap.releaseNative()
    console.log(JSON.stringify({ full, after: process.memoryUsage.rss(), kept: buffers.length, sound: buffers.every((each) => each.every((byte) => byte === 1)) }))`
  const env = { ...process.env, MALLOC_MMAP_THRESHOLD_: '131072' }
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8', env })
  const { full, after, kept, sound } = JSON.parse(stdout)
  assert.equal(kept, 200)
  assert.ok(sound)
  assert.ok(full - after > 60 << 20, `${full} to ${after}`)
})
