// Waiting for what happens elsewhere, without guessing how long it takes.
import { setTimeout } from 'node:timers/promises'

/** Resolves soon after it became true. It has no limit of its own; the runner of tests has one. */
export async function until(_what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await setTimeout(5)
}
