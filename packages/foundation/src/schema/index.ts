// Schema literals: one literal gives the type, the checks, the defaults and the JSON schema of a value.
export { canonicalJson, equalJson } from './canonical-json.ts'
export { childPath, checkSchema, parseSchema } from './check.ts'
export type { Checked, CheckOptions } from './check.ts'
export type { Infer } from './infer.ts'
export { toJsonSchema } from './json-schema.ts'
export type {
  AnySchema,
  ArraySchema,
  BooleanSchema,
  Int64Schema,
  IntegerSchema,
  IntOrStringSchema,
  Json,
  MapSchema,
  NumberSchema,
  ObjectSchema,
  Schema,
  StringFormat,
  StringSchema,
} from './literal.ts'
export { typeName } from './scalar.ts'
export type { SchemaProfile } from './scalar.ts'
