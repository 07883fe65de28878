// Text that facts carry and nobody may see: facts are printed for people and compared, but never with what is in here.
import { inspect } from 'node:util'

const shown = '[redacted]'

/** A secret as a value. Two are the same when they are the identical object, so whoever makes them keeps one for each secret. */
export class SecretText {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The text, for the one place that needs it. */
  reveal(): string {
    return this.#text
  }

  toJSON(): string {
    return shown
  }

  [inspect.custom](): string {
    return shown
  }
}
