import { runPolicyCases } from '../policy-cases.ts'
import { meshTcpRoutePlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshTcpRoutePlugin)
