// Cuts a descriptor set down to what is reachable from named roots. The result describes the same wire and JSON forms; options that
// only validate or document are dropped. Any payloads are not reachable by type, so they have to be roots themselves.
import type {
  IDescriptorProto,
  IEnumDescriptorProto,
  IFieldDescriptorProto,
  IFileDescriptorProto,
  IFileDescriptorSet,
  IServiceDescriptorProto,
} from 'protobufjs/ext/descriptor.js'

type Declaration =
  | { readonly kind: 'message'; readonly message: IDescriptorProto; readonly parent: string | undefined }
  | { readonly kind: 'enum'; readonly parent: string | undefined }
  | { readonly kind: 'service'; readonly service: IServiceDescriptorProto; readonly parent: undefined }

/**
 * Keeps the messages, enums and services named in `roots` (full names without leading dot) and everything their fields and methods refer
 * to. Throws when a root does not exist. The order of files and declarations is kept, so equal input gives equal bytes.
 */
export function pruneDescriptorSet(set: IFileDescriptorSet, roots: readonly string[]): IFileDescriptorSet {
  const declarations = indexDeclarations(set)
  const { kept, shells } = reach(declarations, roots)
  const keptEnums = (enums: readonly IEnumDescriptorProto[] | undefined, scope: string): IEnumDescriptorProto[] =>
    (enums ?? []).filter((e) => kept.has(`${scope}.${e.name}`)).map(bareEnum)
  const keptMessages = (messages: readonly IDescriptorProto[] | undefined, scope: string): IDescriptorProto[] =>
    (messages ?? []).flatMap((message) => {
      const name = `${scope}.${message.name}`
      const whole = kept.has(name)
      if (!whole && !shells.has(name)) return []
      return {
        ...(message.name === undefined ? {} : { name: message.name }),
        field: whole ? (message.field ?? []).map(bareField) : [],
        oneofDecl: whole ? (message.oneofDecl ?? []).map((o) => (o.name === undefined ? {} : { name: o.name })) : [],
        nestedType: keptMessages(message.nestedType, name),
        enumType: keptEnums(message.enumType, name),
        ...(message.options?.mapEntry ? { options: { mapEntry: true } } : {}),
      }
    })
  const files = (set.file ?? []).map((file): IFileDescriptorProto => {
    const scope = file.package ? `.${file.package}` : ''
    return {
      ...pick(file, ['name', 'package', 'syntax']),
      messageType: keptMessages(file.messageType, scope),
      enumType: keptEnums(file.enumType, scope),
      service: (file.service ?? [])
        .filter((s) => kept.has(`${scope}.${s.name}`))
        .map((s) => ({
          ...pick(s, ['name']),
          method: (s.method ?? []).map((m) => pick(m, ['name', 'inputType', 'outputType', 'clientStreaming', 'serverStreaming'])),
        })),
    }
  })
  return { file: files.filter((f) => size(f.messageType) + size(f.enumType) + size(f.service) > 0) }
}

function indexDeclarations(set: IFileDescriptorSet): ReadonlyMap<string, Declaration> {
  const declarations = new Map<string, Declaration>()
  const visit = (message: IDescriptorProto, scope: string, parent: string | undefined): void => {
    const name = `${scope}.${message.name}`
    declarations.set(name, { kind: 'message', message, parent })
    for (const nested of message.nestedType ?? []) visit(nested, name, name)
    for (const e of message.enumType ?? []) declarations.set(`${name}.${e.name}`, { kind: 'enum', parent: name })
  }
  for (const file of set.file ?? []) {
    const scope = file.package ? `.${file.package}` : ''
    for (const message of file.messageType ?? []) visit(message, scope, undefined)
    for (const e of file.enumType ?? []) declarations.set(`${scope}.${e.name}`, { kind: 'enum', parent: undefined })
    for (const service of file.service ?? []) declarations.set(`${scope}.${service.name}`, { kind: 'service', service, parent: undefined })
  }
  return declarations
}

/** Shells are messages kept only as the place where a kept declaration is nested. */
function reach(declarations: ReadonlyMap<string, Declaration>, roots: readonly string[]) {
  const kept = new Set<string>()
  const shells = new Set<string>()
  const pending = roots.map((root) => `.${root}`)
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (kept.has(name)) continue
    const declaration = declarations.get(name)
    if (declaration === undefined) throw new Error(`the descriptor set has no ${name.slice(1)}`)
    kept.add(name)
    for (let parent = declaration.parent; parent !== undefined; parent = declarations.get(parent)?.parent) shells.add(parent)
    if (declaration.kind === 'message') {
      for (const field of declaration.message.field ?? []) if (field.typeName) pending.push(field.typeName)
    } else if (declaration.kind === 'service') {
      for (const method of declaration.service.method ?? []) {
        for (const type of [method.inputType, method.outputType]) if (type) pending.push(type)
      }
    }
  }
  return { kept, shells }
}

function bareField({ options, ...field }: IFieldDescriptorProto): IFieldDescriptorProto {
  // decoded messages carry defaults on their prototype: only an own `packed` was written by the author of the file
  return options && Object.hasOwn(options, 'packed') && options.packed !== undefined
    ? { ...field, options: { packed: options.packed } }
    : field
}

function bareEnum(declaration: IEnumDescriptorProto): IEnumDescriptorProto {
  return {
    ...pick(declaration, ['name']),
    value: (declaration.value ?? []).map((value) => pick(value, ['name', 'number'])),
    ...(declaration.options?.allowAlias ? { options: { allowAlias: true } } : {}),
  }
}

function pick<T extends object, K extends keyof T>(source: T, keys: readonly K[]): Pick<T, K> {
  // a Pick has exactly the keys that are copied; absent ones stay absent
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(source, key)).map((key) => [key, source[key]])) as Pick<T, K>
}

function size(list: readonly unknown[] | undefined): number {
  return list?.length ?? 0
}
