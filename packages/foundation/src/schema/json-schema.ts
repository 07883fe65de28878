// A schema literal as standard JSON Schema (2020-12 vocabulary, also valid in OpenAPI 3.1).
import type { Json, Schema } from './literal.ts'

type JsonObject = { readonly [key: string]: Json }

/** JSON Schema of the values that `checkSchema` accepts. Unknown fields stay allowed: they are dropped, not refused. */
export function toJsonSchema(schema: Schema): JsonObject {
  const body: Record<string, Json> = { ...bodyOf(schema) }
  if (schema.description !== undefined) body['description'] = schema.description
  // defaults of literals are JSON by construction
  if ('default' in schema && schema.default !== undefined) body['default'] = schema.default as Json
  if (schema.nullable !== true) return body
  return { anyOf: [body, { type: 'null' }] }
}

function bodyOf(schema: Schema): JsonObject {
  switch (schema.type) {
    case 'string':
      return {
        type: 'string',
        ...defined({
          enum: schema.enum,
          format: schema.format,
          pattern: schema.pattern,
          minLength: schema.minLength,
          maxLength: schema.maxLength,
        }),
      }
    case 'integer':
      return { type: 'integer', ...defined({ enum: schema.enum, minimum: schema.minimum, maximum: schema.maximum }) }
    case 'number':
      return { type: 'number', ...defined({ minimum: schema.minimum, maximum: schema.maximum }) }
    case 'int64':
      return { type: ['string', 'integer'], format: schema.unsigned === true ? 'uint64' : 'int64' }
    case 'boolean':
      return { type: 'boolean' }
    case 'intOrString':
      return { type: ['integer', 'string'], 'x-kubernetes-int-or-string': true }
    case 'any':
      return {}
    case 'array':
      return { type: 'array', items: toJsonSchema(schema.items), ...defined({ minItems: schema.minItems, maxItems: schema.maxItems }) }
    case 'map':
      return { type: 'object', additionalProperties: toJsonSchema(schema.values) }
    case 'object':
      return {
        type: 'object',
        properties: Object.fromEntries(Object.entries(schema.properties).map(([name, property]) => [name, toJsonSchema(property)])),
        ...(schema.required !== undefined && schema.required.length > 0 ? { required: [...schema.required] } : {}),
      }
  }
}

function defined(fields: { readonly [key: string]: Json | undefined }): JsonObject {
  const kept: Record<string, Json> = {}
  for (const [key, value] of Object.entries(fields)) if (value !== undefined) kept[key] = value
  return kept
}
