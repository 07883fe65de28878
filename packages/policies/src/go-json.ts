// JSON texts that peers compare by their hash: written as the peers' library writes them.

const escaped: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
}

/** The JSON of a value, keys in the order of the object, with the characters escaped that the peers escape. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(/[<>&\u2028\u2029]/g, (character) => escaped[character] ?? character)
}
