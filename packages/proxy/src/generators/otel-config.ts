// The `/otel` answer: which signals the launcher takes for which collector (contract/dataplane.md section 10). Key order is part of the wire.
import type { TelemetryBackendFact, TelemetrySignal } from '@weft/facts'
import { goJson, type OtelExport, type OwnerView, otelEndpoint, usesHttps } from '@weft/policies'
import type { DynamicConfigEntry } from './dynamic-config.ts'

/** The answer for these exports, backends sorted by name; undefined without any. */
export function otelEntry(owner: OwnerView, exports: readonly OtelExport[]): DynamicConfigEntry | undefined {
  if (exports.length === 0) return undefined
  const byName = new Map<string, readonly OtelExport[]>()
  for (const item of exports) byName.set(item.backend.name, [...(byName.get(item.backend.name) ?? []), item])
  const backends = [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, items]) => backendEntry(owner, items, exports))
  return { path: 'otel', body: goJson({ backends }) }
}

function backendEntry(owner: OwnerView, items: readonly OtelExport[], all: readonly OtelExport[]): readonly object[] {
  const backend = items[0]?.backend
  if (backend === undefined) return []
  const signal = (name: TelemetrySignal): object => {
    const found = items.find((item) => item.signal === name)
    return found === undefined ? {} : { [name]: signalPlan(owner, found, all) }
  }
  return [
    {
      name: backend.name,
      socketPath: owner.otelSocket(backend.name),
      endpoint: otelEndpoint(backend),
      useHTTP: backend.protocol === 'http',
      ...(usesHttps(backend) ? { useHTTPS: true } : {}),
      ...(backend.path === '' ? {} : { path: backend.path }),
      ...envPolicy(backend),
      ...signal('traces'),
      ...signal('logs'),
      ...signal('metrics'),
    },
  ]
}

function envPolicy({ env }: TelemetryBackendFact): object {
  if (env === undefined) return {}
  const { mode, precedence, allowSignalOverrides } = env
  return { envPolicy: { mode, precedence, ...(allowSignalOverrides ? { allowSignalOverrides } : {}) } }
}

/** What the launcher's environment means for a signal, and why it is not followed. */
function signalPlan({ otelEnv }: OwnerView, { signal, backend, refreshInterval }: OtelExport, all: readonly OtelExport[]): object {
  const mode = backend.env?.mode ?? 'Optional'
  const own = otelEnv?.signals[signal]
  const isPresent = otelEnv?.shared === true || own?.present === true
  const overrideKinds = own?.overrideKinds ?? []
  const missingFields = mode === 'Required' ? missingFieldsOf(otelEnv?.validationErrors ?? [], signal) : []
  const rivals = all.filter((other) => other.signal === signal && other.backend.env?.mode !== 'Disabled')
  const blockedReasons = [
    ...(mode === 'Disabled' && isPresent ? ['EnvDisabledByPolicy'] : []),
    ...(mode === 'Required' && !isPresent ? ['RequiredEnvMissing'] : []),
    ...(overrideKinds.length > 0 && backend.env?.allowSignalOverrides === false ? ['SignalOverridesBlocked'] : []),
    ...(missingFields.length > 0 && isPresent ? ['RequiredEnvMissing'] : []),
    // one environment cannot speak for several collectors
    ...(mode !== 'Disabled' && isPresent && rivals.length > 1 ? ['MultipleBackendsForSignal'] : []),
  ]
  return {
    enabled: true,
    ...(isPresent ? { envInputPresent: true } : {}),
    ...(overrideKinds.length > 0 ? { overrideKinds } : {}),
    ...(missingFields.length > 0 ? { missingFields } : {}),
    ...(blockedReasons.length > 0 ? { blockedReasons } : {}),
    ...(refreshInterval === undefined ? {} : { refreshInterval }),
  }
}

/** Errors are `<scope>.<field>`; half of a client certificate is reported as `mtls`. */
function missingFieldsOf(errors: readonly string[], signal: TelemetrySignal): readonly string[] {
  const fields = new Set<string>()
  for (const error of errors) {
    const dot = error.indexOf('.')
    const scope = error.slice(0, dot)
    if (dot < 0 || (scope !== 'shared' && scope !== signal)) continue
    const name = error.slice(dot + 1).trim()
    if (name === 'mtls') fields.add('client_certificate').add('client_key')
    else if (name !== '') fields.add(name.replaceAll(/[- ]/g, '_'))
  }
  return [...fields]
}
