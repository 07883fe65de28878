// The TypeScript type of the values a schema literal accepts, after defaults: fields that are required or have a default are present.
import type { Json, Schema } from './literal.ts'

type RequiredName<P, R> = { [K in keyof P]: K extends R ? K : P[K] extends { readonly default: unknown } ? K : never }[keyof P]

type Present<P, R> = { readonly [K in RequiredName<P, R>]: Infer<P[K]> }
type Absent<P, R> = { readonly [K in Exclude<keyof P, RequiredName<P, R>>]?: Infer<P[K]> }
type Flat<T> = { readonly [K in keyof T]: T[K] }

type ListOf<S, Name extends string> = S extends { readonly [K in Name]: readonly (infer E)[] } ? E : never

type Plain<S> = S extends { readonly type: 'string' }
  ? S extends { readonly enum: readonly string[] }
    ? ListOf<S, 'enum'>
    : string
  : S extends { readonly type: 'int64' }
    ? string
    : S extends { readonly type: 'integer' | 'number' }
      ? S extends { readonly enum: readonly number[] }
        ? ListOf<S, 'enum'>
        : number
      : S extends { readonly type: 'boolean' }
        ? boolean
        : S extends { readonly type: 'intOrString' }
          ? number | string
          : S extends { readonly type: 'any' }
            ? Json
            : S extends { readonly type: 'array'; readonly items: infer I }
              ? readonly Infer<I>[]
              : S extends { readonly type: 'map'; readonly values: infer V }
                ? Readonly<Record<string, Infer<V>>>
                : S extends { readonly type: 'object'; readonly properties: infer P }
                  ? Flat<Present<P, ListOf<S, 'required'>> & Absent<P, ListOf<S, 'required'>>>
                  : never

/** The type of a checked value of schema `S`; `unknown` when the schema is only known to be one. */
export type Infer<S> = Schema extends S ? unknown : S extends { readonly nullable: true } ? Plain<S> | null : Plain<S>
