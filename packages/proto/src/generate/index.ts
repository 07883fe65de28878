// Everything under proto/ and gen/ that is made by a program. Reproducible: equal input gives equal bytes.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib'
import descriptor, { type IFileDescriptorSet } from 'protobufjs/ext/descriptor.js'
import { protoFiles } from '../proto-files.ts'
import { buildRoot } from '../root.ts'
import { pruneDescriptorSet } from './prune.ts'
import { discoveryRoots, prunedRoots } from './roots.ts'
import { renderEnums, renderMessageTypes, renderServices } from './types.ts'

/** The generated files with their content, by path relative to the checkout at `root`. Writes nothing. */
export async function renderProto(root: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const full = brotliDecompressSync(await readFile(join(root, 'proto/envoy-1.40.binpb.br')))
  const cutTo = (roots: readonly string[]): Uint8Array =>
    descriptor.FileDescriptorSet.encode(pruneDescriptorSet(readSet(full), roots)).finish()
  const pruned = cutTo(prunedRoots)
  const authored = await Promise.all(protoFiles.map((file) => readFile(join(root, 'proto', file), 'utf8')))
  const reflection = buildRoot(pruned, authored)
  return new Map([
    ['proto/envoy-pruned.binpb.br', compress(pruned)],
    ['proto/envoy-discovery.binpb.br', compress(cutTo(discoveryRoots))],
    ['packages/proto/src/gen/messages.ts', Buffer.from(renderMessageTypes(reflection))],
    ['packages/proto/src/gen/enums.ts', Buffer.from(renderEnums(reflection))],
    ['packages/proto/src/gen/services.ts', Buffer.from(renderServices(reflection))],
  ])
}

/** Writes every generated file of this package below the checkout at `root`. */
export async function generateProto(root: string): Promise<void> {
  const files = await renderProto(root)
  await mkdir(join(root, 'packages/proto/src/gen'), { recursive: true })
  for (const [path, content] of files) await writeFile(join(root, path), content)
}

/** Brotli at its highest level, as the sets under proto/ are kept. */
export function compress(bytes: Uint8Array): Uint8Array {
  return brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  })
}

function readSet(bytes: Uint8Array): IFileDescriptorSet {
  // the codec of a descriptor set decodes to one; its declared result is the union of all reflected messages
  return descriptor.FileDescriptorSet.decode(bytes) as unknown as IFileDescriptorSet
}
