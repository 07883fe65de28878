import { runPolicyCases } from '../policy-cases.ts'
import { meshProxyPatchPlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshProxyPatchPlugin)
