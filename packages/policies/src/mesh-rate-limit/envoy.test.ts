import { runPolicyCases } from '../policy-cases.ts'
import { meshRateLimitPlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshRateLimitPlugin)
