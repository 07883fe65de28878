import { runPolicyCases } from '../policy-cases.ts'
import { meshLoadBalancingStrategyPlugin } from './envoy.ts'

runPolicyCases(import.meta.dirname, meshLoadBalancingStrategyPlugin)
