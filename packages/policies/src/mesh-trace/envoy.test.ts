import { runPolicyCases } from '../policy-cases.ts'
import { meshTracePlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshTracePlugin)
