// Values by content: equal content gives the identical object as long as someone holds it, so others may memoise on identity.

/** Returns the living value made for an equal key, else the given one. */
export type Intern<T extends object> = (key: string, value: T) => T

/** A table that never keeps a value alive on its own. */
export function createInterner<T extends object>(): Intern<T> {
  const living = new Map<string, WeakRef<T>>()
  const forget = new FinalizationRegistry<string>((key) => {
    // a newer value may have taken the key meanwhile
    if (living.get(key)?.deref() === undefined) living.delete(key)
  })
  return (key, value) => {
    const known = living.get(key)?.deref()
    if (known !== undefined) return known
    living.set(key, new WeakRef(value))
    forget.register(value, key)
    return value
  }
}

/** Gives every object a number of its own, for keys that stand for identities. */
export function createIdentityNumbers(): (value: object) => number {
  const numbers = new WeakMap<object, number>()
  let last = 0
  return (value) => {
    const known = numbers.get(value)
    if (known !== undefined) return known
    last++
    numbers.set(value, last)
    return last
  }
}
