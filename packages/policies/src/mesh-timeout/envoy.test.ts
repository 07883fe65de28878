import { runPolicyCases } from '../policy-cases.ts'
import { meshTimeoutPlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshTimeoutPlugin)
