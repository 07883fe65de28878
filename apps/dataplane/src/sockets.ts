// Paths of the sockets between the launcher and Envoy. The control plane computes the same ones on its own (contract/dataplane.md section 3.2).
import { join } from 'node:path'

const longestPath = 98

/** Socket of dynamic configuration, inside the work folder. */
export function dynamicConfigSocket(workDir: string): string {
  return join(workDir, 'kuma-mesh-metric-config.sock')
}

/** Pipe that log lines for TCP servers come through. */
export function accessLogPipe(workDir: string, name: string, mesh: string): string {
  return cut(join(workDir, `kuma-al-${name}-${mesh}`))
}

/** Socket of the metrics endpoint. */
export function metricsSocket(workDir: string, name: string, mesh: string): string {
  return cut(join(workDir, `kuma-mh-${name}-${mesh}`))
}

/** Paths of sockets are short by law of the kernel; both sides cut alike. */
function cut(path: string): string {
  return `${path.slice(0, longestPath)}.sock`
}
