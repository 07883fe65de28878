// The schema language: plain literals in the manner of JSON Schema. One literal is the only source of a value's TypeScript type,
// its checks, its defaults, its JSON schema and its test generator.

interface Described {
  /** One sentence for documentation and forms. */
  readonly description?: string
  /** `null` is a value of its own. Without this, null means the field is absent. */
  readonly nullable?: boolean
  /** In the protobuf profile a zero value is kept: the field is a wrapper or `optional`, so presence says something. */
  readonly presence?: 'explicit'
}

/** `seconds` is a protobuf duration such as "1.5s"; `duration` is Go's "1m30s"; `bytes` is base64. */
export type StringFormat = 'duration' | 'seconds' | 'date-time' | 'bytes'

export interface StringSchema extends Described {
  readonly type: 'string'
  readonly enum?: readonly string[]
  readonly format?: StringFormat
  /** A regular expression of the linear kind: no nested repetition. */
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly default?: string
}

export interface IntegerSchema extends Described {
  readonly type: 'integer'
  readonly enum?: readonly number[]
  readonly minimum?: number
  readonly maximum?: number
  readonly default?: number
}

/** A 64-bit integer: text in canonical JSON, a number is accepted. `unsigned` forbids a minus sign. */
export interface Int64Schema extends Described {
  readonly type: 'int64'
  readonly unsigned?: boolean
  readonly default?: string
}

export interface NumberSchema extends Described {
  readonly type: 'number'
  readonly minimum?: number
  readonly maximum?: number
  readonly default?: number
}

export interface BooleanSchema extends Described {
  readonly type: 'boolean'
  readonly default?: boolean
}

/** Kubernetes' int-or-string: an integer, or text that the kind's own rules read (a percentage, a port name). */
export interface IntOrStringSchema extends Described {
  readonly type: 'intOrString'
  readonly default?: number | string
}

/** Any JSON value, kept as it is. */
export interface AnySchema extends Described {
  readonly type: 'any'
}

export interface ArraySchema extends Described {
  readonly type: 'array'
  readonly items: Schema
  readonly minItems?: number
  readonly maxItems?: number
  readonly default?: readonly unknown[]
}

/** An object with free keys. */
export interface MapSchema extends Described {
  readonly type: 'map'
  readonly values: Schema
  readonly default?: Readonly<Record<string, unknown>>
}

export interface ObjectSchema extends Described {
  readonly type: 'object'
  readonly properties: { readonly [name: string]: Schema }
  readonly required?: readonly string[]
  /** Filled in and then checked like a given value, so nested defaults apply to it. */
  readonly default?: Readonly<Record<string, unknown>>
}

export type Schema =
  | StringSchema
  | IntegerSchema
  | Int64Schema
  | NumberSchema
  | BooleanSchema
  | IntOrStringSchema
  | AnySchema
  | ArraySchema
  | MapSchema
  | ObjectSchema

/** Any JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }
