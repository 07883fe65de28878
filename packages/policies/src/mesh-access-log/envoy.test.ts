import { runPolicyCases } from '../policy-cases.ts'
import { meshAccessLogPlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshAccessLogPlugin)
