export {
  createChannel,
  type HeldResource,
  type ReceivedResponse,
  SimulatedProxy,
  type SimulatedProxyOptions,
  type SimulatedType,
  simulatedTypes,
} from './fleet/simulated-proxy.ts'
