import { runPolicyCases } from '../policy-cases.ts'
import { meshMetricPlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshMetricPlugin)
