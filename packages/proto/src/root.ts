// The reflection roots all codecs come from: what control planes say to each other, Envoy's pruned set, and on demand Envoy's full set.
// A root is loaded once, at its first use, and never changes afterwards. Roots share no types: one that several have is found in the smallest.
import { existsSync, readFileSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'
import protobuf from 'protobufjs'
import 'protobufjs/ext/descriptor.js'
import 'protobufjs/ext/protojson.js'
import type { Root, Type } from 'protobufjs'
import { readFlatStrings } from './flat-strings.ts'
import { keepFullNames } from './full-names.ts'
import { type HardenedRoot, harden } from './harden.ts'
import { compileSeparately } from './lazy-codegen.ts'
import { protoFiles } from './proto-files.ts'

/** Beside the sources, or beside the folder a bundled program lies in. */
const folder =
  ['../../../proto/', '../proto/'].map((path) => new URL(path, import.meta.url)).find((url) => existsSync(url)) ?? new URL(import.meta.url)

let sync: HardenedRoot | undefined
let pruned: HardenedRoot | undefined
let full: HardenedRoot | undefined

/** The root of Kuma's and our own messages, with the discovery messages that carry them: a fifth of what the pruned set takes to load. */
export function syncRoot(): HardenedRoot {
  sync ??= harden(
    buildRoot(
      readSet('envoy-discovery.binpb.br'),
      protoFiles.map((file) => readFileSync(new URL(file, folder), 'utf8')),
    ),
    { missing: (name) => prunedRoot().types.get(name) ?? fullRoot().types.get(name) },
  )
  return sync
}

/** The root of every message of Envoy that the control plane builds. */
export function prunedRoot(): HardenedRoot {
  pruned ??= harden(buildRoot(readSet('envoy-pruned.binpb.br'), []), {
    missing: (name) => syncRoot().types.get(name) ?? fullRoot().types.get(name),
  })
  return pruned
}

/** The root of all of Envoy's API, for what users write by hand. The first call takes some 200 ms. */
export function fullRoot(): HardenedRoot {
  full ??= harden(buildRoot(readSet('envoy-1.40.binpb.br'), []))
  return full
}

/** A message the product knows, by its full name. Loads the pruned set only for what no control plane says to another. */
export function knownType(name: string): Type | undefined {
  return syncRoot().types.get(name) ?? prunedRoot().types.get(name)
}

/** Also one that only Envoy's full set has. */
export function anyType(name: string): Type | undefined {
  return knownType(name) ?? fullRoot().types.get(name)
}

/** One root out of a serialized descriptor set and the texts of .proto files, which refer to each other by name. */
export function buildRoot(set: Uint8Array, protoTexts: readonly string[]): Root {
  readFlatStrings()
  const root = protobuf.Root.fromDescriptor(set)
  for (const text of protoTexts) protobuf.parse(text, root)
  root.resolveAll()
  compileSeparately(root)
  keepFullNames(root)
  return root
}

function readSet(file: string): Uint8Array {
  return brotliDecompressSync(readFileSync(new URL(file, folder)))
}
