// Ports of a federation: one range that is free as a whole. It lies below the kernel's own choice for outgoing connections, so that
// a control plane that is killed and started again finds its ports as it left them.
import { isPortFree } from '../../packages/foundation/src/net/index.ts'

const lowest = 12_000
const highest = 31_000

/** The first of `count` consecutive ports that are free on loopback. With `base`, exactly those, or an error. */
export async function freeRange(count: number, base?: number): Promise<number> {
  if (base !== undefined) {
    const taken = await firstTaken(base, count)
    if (taken !== undefined) throw new Error(`port ${taken} is taken; --base ${base} needs ${count} free ports`)
    return base
  }
  for (let attempt = 0; attempt < 100; attempt++) {
    const from = lowest + Math.floor(Math.random() * (highest - lowest - count))
    if ((await firstTaken(from, count)) === undefined) return from
  }
  throw new Error(`no ${count} free ports in a row between ${lowest} and ${highest}`)
}

async function firstTaken(from: number, count: number): Promise<number | undefined> {
  for (let port = from; port < from + count; port++) if (!(await isPortFree(port))) return port
  return undefined
}
