import { runPolicyCases } from '../policy-cases.ts'
import { meshFaultInjectionPlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshFaultInjectionPlugin)
