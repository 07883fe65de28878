import { runPolicyCases } from '../policy-cases.ts'
import { meshHealthCheckPlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshHealthCheckPlugin)
