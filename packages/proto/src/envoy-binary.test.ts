// The committed descriptors against those inside the Envoy in use. Needs an Envoy binary: ENVOY_PATH, or `envoy` on PATH.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { it } from 'node:test'
import { brotliDecompressSync } from 'node:zlib'
import descriptor, { type IDescriptorProto, type IFileDescriptorProto, type IFileDescriptorSet } from 'protobufjs/ext/descriptor.js'

const envoyPath = [
  process.env['ENVOY_PATH'] ?? '',
  ...(process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'envoy')),
].find((path) => path !== '' && existsSync(path))
if (envoyPath === undefined) process.stdout.write('SKIP envoy-binary.test.ts: no Envoy binary (set ENVOY_PATH)\n')
else {
  it('describes the messages of the Envoy in use', async () => {
    const inside = new Map(descriptorsIn(await readFile(envoyPath)).flatMap(fieldsByMessage))
    assert.ok(inside.size > 1_000, `only ${inside.size} messages found in ${envoyPath}`)
    const set = brotliDecompressSync(await readFile(new URL('../../../proto/envoy-pruned.binpb.br', import.meta.url)))
    const ours = descriptor.FileDescriptorSet.decode(set) as unknown as IFileDescriptorSet
    const differing: string[] = []
    let compared = 0
    for (const [name, fields] of (ours.file ?? []).flatMap(fieldsByMessage)) {
      const theirs = inside.get(name)
      // shells of pruned messages have no fields; OpenTelemetry's files are a version ahead on one side
      if (fields === '' || name.startsWith('.opentelemetry.')) continue
      compared++
      if (theirs !== fields) differing.push(name)
    }
    assert.ok(compared > 400, `only ${compared} messages compared`)
    assert.deepEqual(differing, [])
  })
}

/** Every serialized FileDescriptorProto in a binary: it starts with field 1, a name that ends in `.proto`. */
function descriptorsIn(binary: Buffer): readonly IFileDescriptorProto[] {
  const files = new Map<string, IFileDescriptorProto>()
  const suffix = Buffer.from('.proto')
  for (let hit = binary.indexOf(suffix); hit >= 0; hit = binary.indexOf(suffix, hit + 1)) {
    const end = hit + suffix.length
    for (let length = suffix.length + 1; length < 128; length++) {
      const start = end - length - 2
      if (start < 0 || binary[start] !== 0x0a || binary[start + 1] !== length || binary[end] !== 0x12) continue
      const file = decodeFile(binary.subarray(start, endOfMessage(binary, start)))
      if (file?.name !== undefined) files.set(file.name, file)
      break
    }
  }
  return [...files.values()]
}

/** Where the run of well-formed top-level fields of a FileDescriptorProto that starts at `start` ends. */
function endOfMessage(binary: Buffer, start: number): number {
  let at = start
  for (;;) {
    const tag = binary[at] ?? 0
    const field = tag >>> 3
    let next = at + 1
    let length = 0
    let shift = 0
    for (;;) {
      const byte = binary[next++] ?? 0
      length += (byte & 127) * 2 ** shift
      shift += 7
      if (byte < 128 || shift > 28) break
    }
    if (field < 1 || field > 14 || tag > 127 || ((tag & 7) !== 2 && (tag & 7) !== 0)) return at
    // the name comes once, so a second one is the next descriptor
    if (field === 1 && at !== start) return at
    at = (tag & 7) === 2 ? next + length : next
    if (at >= binary.length) return binary.length
  }
}

function decodeFile(bytes: Buffer): IFileDescriptorProto | undefined {
  try {
    return descriptor.FileDescriptorProto.decode(bytes) as unknown as IFileDescriptorProto
  } catch {
    return undefined
  }
}

/** Message name to a text of its fields as far as they matter on the wire and in JSON. */
function fieldsByMessage(file: IFileDescriptorProto): (readonly [string, string])[] {
  const found: (readonly [string, string])[] = []
  const visit = (message: IDescriptorProto, scope: string): void => {
    const name = `${scope}.${message.name}`
    const fields = (message.field ?? []).map((f) => [f.number, f.name, f.type, f.label, f.typeName ?? '', f.oneofIndex ?? ''].join(' '))
    found.push([name, fields.sort().join('\n')])
    for (const nested of message.nestedType ?? []) visit(nested, name)
  }
  for (const message of file.messageType ?? []) visit(message, `.${file.package}`)
  return found
}
