import { runPolicyCases } from '../policy-cases.ts'
import { meshTrafficPermissionPlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshTrafficPermissionPlugin)
