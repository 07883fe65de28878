// Turns the operations of one transaction into changes, against the committed state plus what earlier transactions of the batch will do.
import { AppError } from '@weft/foundation/errors'
import { keyText, type Resource, type ResourceKey } from '@weft/resources'
import type { Change, DeleteOp, PutOp, StoreOp, WriteContext } from './contract.ts'
import { jsonEqual, jsonProblem } from './json-value.ts'

/** State as the next transaction will find it: committed values below, planned ones above. */
export interface PlanView {
  get(key: ResourceKey): Resource | undefined
}

export interface Overlay extends PlanView {
  add(changes: readonly Change[]): void
}

/** A view over `below` that shows planned changes before they are committed. */
export function createOverlay(below: PlanView): Overlay {
  const planned = new Map<string, Resource | undefined>()
  return {
    get: (key) => {
      const text = keyText(key)
      return planned.has(text) ? planned.get(text) : below.get(key)
    },
    add: (changes) => {
      for (const change of changes) planned.set(keyText(change.key), change.after)
    },
  }
}

export interface PlanInput {
  readonly ops: readonly StoreOp[]
  readonly context: WriteContext
  readonly view: PlanView
  /** Sequence number of the last change before this transaction. */
  readonly seq: number
  /** RFC 3339 time of the transaction. */
  readonly time: string
}

/** The changes of a transaction in order, numbered from seq + 1; empty when nothing would change. Throws the store errors of the contract. */
export function planTransaction(input: PlanInput): readonly Change[] {
  const overlay = createOverlay(input.view)
  const changes: Change[] = []
  for (const op of input.ops) {
    const key = op.op === 'put' ? keyOf(op.resource) : keyOf(op.key)
    checkKey(key)
    const before = overlay.get(key)
    const stamp = {
      seq: input.seq + changes.length + 1,
      time: input.time,
      class: input.context.class,
      actor: input.context.actor,
      reason: input.context.reason,
      key,
    }
    const change = op.op === 'put' ? planPut(op, before, stamp) : planDelete(op, before, stamp)
    if (!change) continue
    changes.push(change)
    overlay.add([change])
  }
  return changes
}

type Stamp = Omit<Change, 'op' | 'before' | 'after'>

function planPut(op: PutOp, before: Resource | undefined, stamp: Stamp): Change | undefined {
  if (op.expect === 'absent' && before)
    throw new AppError('store/already-exists', `resource already exists: ${describe(stamp.key)}`, { details: { key: stamp.key } })
  if (typeof op.expect === 'number') checkVersion(op.expect, before, stamp.key)
  checkValue(op, stamp.key)
  // what stays equal stays the same object: it is in memory once, however often the rest changes
  const labels = keep(before?.labels, op.resource.labels)
  const spec = keep(before?.spec, op.resource.spec)
  const status = keep(before?.status, op.resource.status ?? before?.status)
  if (before && labels === before.labels && spec === before.spec && status === before.status) return undefined
  const { type, mesh, name } = stamp.key
  const creationTime = before?.creationTime ?? stamp.time
  // written out: an object made by spreading keeps its later members apart, and there is one for each resource
  const stored = { type, mesh, name, labels, creationTime, modificationTime: stamp.time, version: stamp.seq, spec }
  const after: Resource =
    status === undefined
      ? stored
      : { type, mesh, name, labels, creationTime, modificationTime: stamp.time, version: stamp.seq, spec, status }
  return before ? { ...stamp, op: 'put', before, after } : { ...stamp, op: 'put', after }
}

function keep<T>(before: T | undefined, now: T): T {
  return before !== undefined && jsonEqual(before, now) ? before : now
}

function planDelete(op: DeleteOp, before: Resource | undefined, stamp: Stamp): Change | undefined {
  if (!before) {
    if (op.ifPresent) return undefined
    throw new AppError('store/not-found', `resource not found: ${describe(stamp.key)}`, { details: { key: stamp.key } })
  }
  if (op.expect !== undefined) checkVersion(op.expect, before, stamp.key)
  return { ...stamp, op: 'delete', before }
}

function checkVersion(expected: number, before: Resource | undefined, key: ResourceKey): void {
  if (before?.version === expected) return
  const found = before ? `version ${before.version}` : 'no resource'
  throw new AppError('store/conflict', `resource changed: ${describe(key)}: expected version ${expected}, found ${found}`, {
    details: { key, expected, found: before?.version ?? null },
    retryable: true,
  })
}

/** Of each part of a key: every driver can index it. The longest names on the wire have 253 characters and a namespace. */
const maxKeyBytes = 512

function checkKey(key: ResourceKey): void {
  const bad = (what: string): never => {
    throw new AppError('store/invalid', `cannot store ${describe(key)}: ${what}`, { details: { key } })
  }
  for (const part of ['type', 'mesh', 'name'] as const) {
    if (typeof key[part] !== 'string') bad(`${part} is not a string`)
    if (part !== 'mesh' && key[part] === '') bad(`${part} is empty`)
    if (key[part].includes('/') || key[part].includes('\0') || !key[part].isWellFormed())
      bad(`${part} contains a character that keys cannot hold`)
    if (Buffer.byteLength(key[part]) > maxKeyBytes) bad(`${part} is longer than ${maxKeyBytes} bytes`)
  }
}

function checkValue(op: PutOp, key: ResourceKey): void {
  const { labels, spec, status } = op.resource
  const problem =
    (spec === undefined ? 'spec is missing' : jsonProblem(spec, 'spec')) ??
    jsonProblem(status, 'status') ??
    jsonProblem(labels, 'labels') ??
    (Object.values(labels).every((value) => typeof value === 'string') ? undefined : 'a label is not a string')
  if (problem) throw new AppError('store/invalid', `cannot store ${describe(key)}: ${problem}`, { details: { key } })
}

function keyOf(key: ResourceKey): ResourceKey {
  return { type: key.type, mesh: key.mesh, name: key.name }
}

function describe(key: ResourceKey): string {
  return `type=${key.type} name=${key.name} mesh=${key.mesh}`
}
