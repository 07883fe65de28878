// The verdict on one ingress, from probes of the control plane and from a second vantage point. Pure. Nobody is judged by one of them alone:
// what fails for the control plane may work for proxies. Without evidence everything stays as it is.

/** What other vantage points show: new connections fail, something still works, or nothing that counts. */
export type Witness = 'failing' | 'working' | 'none'

export interface IngressVerdict {
  /** Probes that failed one after the other; 0 when the last one was answered. */
  readonly failures: number
  /** Whether any probe has ended. */
  readonly probed: boolean
  /** When what is failing now began to, monotonic ms; undefined when nothing is. */
  readonly failingSince: number | undefined
  /** Both vantage points agree that it cannot be reached. Stays until a probe is answered or a witness sees it work. */
  readonly unreachable: boolean
}

/** Probes that must fail one after the other. */
export const failuresNeeded = 3

/** Nothing is known. */
export const unjudged: IngressVerdict = { failures: 0, probed: false, failingSince: undefined, unreachable: false }

/** After a probe that ended at `at`. */
export function probed(verdict: IngressVerdict, ok: boolean, at: number): IngressVerdict {
  if (ok) return { failures: 0, probed: true, failingSince: undefined, unreachable: false }
  return { ...verdict, probed: true, failures: verdict.failures + 1, failingSince: verdict.failingSince ?? at }
}

/** After a look at the other vantage points at `at`. Means something only while probes fail. */
export function witnessed(verdict: IngressVerdict, witness: Witness, at: number): IngressVerdict {
  if (verdict.failures === 0 || witness === 'none') return verdict
  // it works for those who use it: the time out of reach begins anew
  if (witness === 'working') return { ...verdict, failingSince: at, unreachable: false }
  return verdict.failures >= failuresNeeded ? { ...verdict, unreachable: true } : verdict
}

/** Milliseconds until a rule that asks for `afterMs` out of reach applies; 0 when it does, undefined when it is not on its way. */
export function dueIn(verdict: IngressVerdict, afterMs: number, now: number): number | undefined {
  if (!verdict.unreachable || verdict.failingSince === undefined) return undefined
  return Math.max(0, verdict.failingSince + afterMs - now)
}
