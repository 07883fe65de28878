// Resources as REST shows them (contract/rest-cli-gui.md section 6.1): JSON kinds with `spec` and `status`, the others flattened.
import { isJsonKind, kriText, labelKeys, type Resource, type ResourceDescriptor, sniOf } from '@weft/resources'

export type Body = Readonly<Record<string, unknown>>

/** The fields every body starts with. */
function metaOf(kind: ResourceDescriptor, resource: Resource, type: string): Body {
  return {
    type,
    ...(kind.scope === 'Mesh' ? { mesh: resource.mesh } : {}),
    name: resource.name,
    creationTime: resource.creationTime,
    modificationTime: resource.modificationTime,
    ...(Object.keys(resource.labels).length > 0 ? { labels: resource.labels } : {}),
    ...(kind.short === undefined ? {} : { kri: kriText(kind.short, resource) }),
  }
}

/** The body of one resource. */
export function itemBody(kind: ResourceDescriptor, resource: Resource): Body {
  const meta = metaOf(kind, resource, resource.type)
  if (!isJsonKind(kind)) return { ...meta, ...additions(kind, resource), ...fieldsOf(resource.spec) }
  const snis = snisOf(kind, resource)
  return {
    ...meta,
    ...(snis.length > 0 ? { snis } : {}),
    spec: resource.spec ?? {},
    ...(resource.status === undefined ? {} : { status: resource.status }),
  }
}

/** The body of an overview: meta fields under the overview's type, then `fields`. */
export function overviewBody(kind: ResourceDescriptor, resource: Resource, fields: Body): Body {
  return { ...metaOf(kind, resource, kind.overview?.type ?? resource.type), ...fields }
}

/** The short form used in lists of what is affected. */
export function metaBody(resource: Resource): Body {
  return { type: resource.type, mesh: resource.mesh, name: resource.name, labels: resource.labels }
}

/** The Kubernetes object of a resource. `namespace` is for kinds that live in one. */
export function kubernetesBody(kind: ResourceDescriptor, resource: Resource, namespace: string): Body {
  const metadata = {
    name: resource.name,
    ...(kind.kubernetes?.scope === 'Namespaced' ? { namespace } : {}),
    creationTimestamp: resource.creationTime,
    labels: kind.scope === 'Mesh' ? { ...resource.labels, [labelKeys.mesh]: resource.mesh } : resource.labels,
  }
  if (kind.kubernetes?.object === 'Secret') {
    const data = Reflect.get(fieldsOf(resource.spec), 'data')
    return { kind: 'Secret', apiVersion: 'v1', type: kind.kubernetes.secretType, metadata, data: { value: data ?? '' } }
  }
  const base = { kind: resource.type, apiVersion: 'kuma.io/v1alpha1', metadata }
  if (isJsonKind(kind)) return { ...base, spec: resource.spec ?? {}, ...(resource.status === undefined ? {} : { status: resource.status }) }
  return { ...base, ...(kind.scope === 'Mesh' ? { mesh: resource.mesh } : {}), spec: resource.spec ?? {} }
}

/** Fields that clients of earlier releases look for (contract/rest-cli-gui.md section 14, items 2 and 5). */
function additions(kind: ResourceDescriptor, resource: Resource): Body {
  if (kind.type === 'Mesh') return { meshServices: { mode: 'Exclusive' } }
  const resources = kind.type === 'MeshInsight' ? Reflect.get(fieldsOf(resource.spec), 'resources') : undefined
  return resources === undefined ? {} : { policies: resources }
}

function fieldsOf(spec: unknown): Body {
  return typeof spec === 'object' && spec !== null ? { ...spec } : {}
}

function snisOf(kind: ResourceDescriptor, resource: Resource): readonly { readonly port: number; readonly sni: string }[] {
  const { destination, short } = kind
  if (destination === undefined || short === undefined) return []
  // method syntax of the facet: the registry's descriptors are called with the spec of their own kind, which the store holds checked
  const ports = destination.ports(resource.spec as Parameters<typeof destination.ports>[0])
  return ports
    .flatMap(({ port, name }) => {
      const sni = sniOf(short, resource, name)
      return sni === undefined ? [] : [{ port, sni }]
    })
    .sort((a, b) => a.port - b.port)
}
