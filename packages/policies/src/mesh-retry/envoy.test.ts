import { runPolicyCases } from '../policy-cases.ts'
import { meshRetryPlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshRetryPlugin)
