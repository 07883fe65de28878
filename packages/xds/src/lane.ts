// All that one stream keeps for one resource type.
import type { XdsType } from './contract.ts'
import { RetryGate } from './retry-gate.ts'
import { Subscription } from './subscription.ts'

export interface Lane {
  readonly type: XdsType
  readonly subscription: Subscription
  readonly retry: RetryGate
  sent: number
  acknowledged: number
  rejected: number
}

export type Lanes = Readonly<Record<XdsType, Lane>>

export function createLanes(): Lanes {
  const lane = (type: XdsType): Lane => ({
    type,
    subscription: new Subscription(type),
    retry: new RetryGate(),
    sent: 0,
    acknowledged: 0,
    rejected: 0,
  })
  return { cluster: lane('cluster'), endpoint: lane('endpoint'), secret: lane('secret'), listener: lane('listener') }
}
