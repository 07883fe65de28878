import { runPolicyCases } from '../policy-cases.ts'
import { meshCircuitBreakerPlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshCircuitBreakerPlugin)
