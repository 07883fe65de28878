import assert from 'node:assert/strict'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { root } from '../run-command.ts'
import { parseOptions, steps } from './options.ts'

test('without arguments everything but the large zone and what is a command of its own is measured, of this repository', () => {
  const options = parseOptions([])
  assert.deepEqual(
    [...(options?.steps ?? [])],
    steps.filter((step) => !['large', 'federation', 'policies', 'store', 'scale'].includes(step)),
  )
  assert.deepEqual(options?.controlPlanes, [{ label: 'weft', program: join(root, 'weft'), args: ['cp'], needsSharedTrust: false }])
  assert.equal(options?.base, undefined)
})

test('federation is a command of its own, at both sizes unless one is named', () => {
  const options = parseOptions(['federation'])
  assert.deepEqual([[...(options?.steps ?? [])], options?.zones, options?.dps, options?.isFullFederation], [['federation'], 5, 100, true])
  const small = parseOptions(['federation', '--zones', '2', '--dps', '10'])
  assert.deepEqual([small?.zones, small?.dps, small?.isFullFederation], [2, 10, false])
  assert.throws(() => parseOptions(['fedration']), /the commands are federation, policies/)
})

test('store and scale are commands of their own', () => {
  for (const task of ['store', 'scale'] as const) assert.deepEqual([...(parseOptions([task])?.steps ?? [])], [task])
})

test('policies is a command of its own, in one zone of its goals unless another size is named', () => {
  const options = parseOptions(['policies'])
  assert.deepEqual([[...(options?.steps ?? [])], options?.zones, options?.dps, options?.services], [['policies'], 1, 1000, 200])
  const small = parseOptions(['policies', '--dps', '10', '--services', '4'])
  assert.deepEqual([small?.zones, small?.dps, small?.services], [1, 10, 4])
})

test('--only and --large choose steps', () => {
  assert.deepEqual([...(parseOptions(['--only', 'cold, edits', '--large'])?.steps ?? [])], ['cold', 'edits', 'large'])
  assert.throws(() => parseOptions(['--only', 'cold,speed']), /--only speed: no such step/)
})

test('commands keep their quoted words, and relative programs their place', () => {
  const [, other] = parseOptions(['--compare', './bin/kuma-cp --log-level \'very loud\' ""'])?.controlPlanes ?? []
  assert.deepEqual(other, {
    label: 'kuma-cp',
    program: resolve('bin/kuma-cp'),
    args: ['--log-level', 'very loud', ''],
    needsSharedTrust: true,
  })
  assert.equal(parseOptions(['--cp', 'node /opt/x/cp.mjs'])?.controlPlanes[0]?.label, 'cp.mjs')
  assert.throws(() => parseOptions(['--compare', ' ']), /empty/)
})

test('nonsense is told in one line', () => {
  for (const [argv, message] of [
    [['--dps', '0'], /--dps 0/],
    [['--dps', 'many'], /--dps many/],
    [['--rounds', '1.5'], /--rounds 1.5/],
    [['--env', 'X'], /K=V/],
    [['-o', 'xml'], /table or json/],
    [['--unknown'], /unknown/i],
  ] as const)
    assert.throws(() => parseOptions(argv), message)
})

test('settings of control planes may hold equal signs', () => {
  assert.deepEqual({ ...parseOptions(['--env', 'A=b=c', '--env', 'D='])?.env }, { A: 'b=c', D: '' })
})

test('help is no measurement', () => {
  assert.equal(parseOptions(['--help']), undefined)
})
