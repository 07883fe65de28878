import { runPolicyCases } from '../policy-cases.ts'
import { meshPassthroughPlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshPassthroughPlugin)
