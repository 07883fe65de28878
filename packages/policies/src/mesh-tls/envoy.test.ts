import { runPolicyCases } from '../policy-cases.ts'
import { meshTlsPlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshTlsPlugin)
