// How this zone reaches the others: probes, a second vantage point, and the fact that moves traffic out of the way.
export { createProbe, type Probe, type ProbeResult, type ProbeTarget } from './probe.ts'
export { createReachability, type Reachability, type ReachabilityOptions } from './reachability.ts'
