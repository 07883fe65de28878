import { runPolicyCases } from '../policy-cases.ts'
import { meshHttpRoutePlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshHttpRoutePlugin)
