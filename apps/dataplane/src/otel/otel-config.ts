// What `/otel` says, in force: sockets for Envoy's signals, and the collectors of the launcher's own metrics. gRPC is loaded with the first collector.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'
import type { MetricExports } from './metric-exports.ts'
import type { OtlpEnv } from './otlp-env.ts'
import { type BackendPlan, backendPlans } from './signal-plan.ts'
import type { SignalSockets } from './signal-sockets.ts'

export interface OtelConfigOptions {
  readonly workDir: string
  readonly env: OtlpEnv
  /** Stands for the address of a collector that the control plane leaves open. */
  readonly hostIp: string
  readonly metrics: Pick<MetricExports, 'configureBackends'>
  readonly clock: Clock
  readonly log: Logger
}

export interface OtelConfig {
  /** Takes an `/otel` body; undefined ends all. */
  configure(config: unknown): void
  close(): Promise<void>
}

export function createOtelConfig({ workDir, env, hostIp, metrics, clock, log }: OtelConfigOptions): OtelConfig {
  let sockets: Promise<SignalSockets> | undefined
  let latest: readonly BackendPlan[] = []
  const load = async (): Promise<SignalSockets> => {
    const { createSignalSockets } = await import('./signal-sockets.ts')
    return createSignalSockets({ workDir, clock, log })
  }
  return {
    configure: (config) => {
      latest = config === undefined ? [] : backendPlans(config, env, hostIp)
      metrics.configureBackends(latest)
      for (const { name, signals } of latest) {
        for (const [signal, plan] of Object.entries(signals))
          if ('unavailable' in plan) log.debug({ component: 'dp.otel', name, signal, reason: plan.unavailable }, 'a signal is not sent')
      }
      if (latest.length === 0 && sockets === undefined) return
      sockets ??= load()
      // a later body may have come while the code was loaded
      sockets.then(
        (loaded) => loaded.configure(latest),
        (error: unknown) => log.error({ component: 'dp.otel', err: messageOf(error) }, 'cannot take signals for collectors'),
      )
    },
    close: async () => {
      latest = []
      await (await sockets)?.close()
    },
  }
}
