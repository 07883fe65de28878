// Resources as Kubernetes objects: the shape of `format=k8s` (contract/rest-cli-gui.md section 6.1).
import { type JsonObject, textField } from '@weft/foundation/json'
import { isJsonKind, type ResourceDescriptor } from '../descriptor.ts'
import { labelKeys, type Resource } from '../model.ts'

/** The object that `kubectl apply` would take. `namespace` is for kinds that live in one. */
export function encodeKubernetes(kind: ResourceDescriptor, resource: Resource, namespace: string): JsonObject {
  const inMesh = kind.scope === 'Mesh'
  const metadata = {
    name: resource.name,
    ...(kind.kubernetes?.scope === 'Namespaced' ? { namespace } : {}),
    creationTimestamp: resource.creationTime,
    labels: inMesh ? { ...resource.labels, [labelKeys.mesh]: resource.mesh } : resource.labels,
  }
  const { kubernetes } = kind
  if (kubernetes?.object === 'Secret') {
    return { kind: 'Secret', apiVersion: 'v1', metadata, type: kubernetes.secretType, data: { value: textField(resource.spec, 'data') } }
  }
  const object = { kind: kind.type, apiVersion: 'kuma.io/v1alpha1', metadata }
  const spec = resource.spec ?? {}
  if (!isJsonKind(kind)) return inMesh ? { ...object, mesh: resource.mesh, spec } : { ...object, spec }
  return { ...object, spec, ...(resource.status === undefined ? {} : { status: resource.status }) }
}
