// The lowest position that something still waits for. Positions only grow, so the first one held is the lowest, and both holding and letting go
// cost the same however much is held.

export class LowWater {
  /** Position to how many hold it, in order of positions. */
  #held = new Map<number, number>()
  #highest = Number.NEGATIVE_INFINITY

  hold(position: number): void {
    const count = this.#held.get(position)
    this.#held.set(position, (count ?? 0) + 1)
    if (count === undefined && position < this.#highest) this.#held = new Map([...this.#held].sort(([a], [b]) => a - b))
    this.#highest = Math.max(this.#highest, position)
  }

  release(position: number): void {
    const count = this.#held.get(position)
    if (count === undefined) return
    if (count > 1) this.#held.set(position, count - 1)
    else this.#held.delete(position)
  }

  /** Undefined when nothing is held. */
  get first(): number | undefined {
    for (const position of this.#held.keys()) return position
    return undefined
  }
}
