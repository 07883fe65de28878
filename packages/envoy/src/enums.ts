// Numbers of the Envoy enums that builders use: the codec takes numbers only.
import { enumValues } from '@weft/proto'

export const discoveryType = enumValues('envoy.config.cluster.v3.Cluster.DiscoveryType')
export const lbPolicy = enumValues('envoy.config.cluster.v3.Cluster.LbPolicy')
export const dnsLookupFamily = enumValues('envoy.config.cluster.v3.Cluster.DnsLookupFamily')
export const trafficDirection = enumValues('envoy.config.core.v3.TrafficDirection')
export const apiVersion = enumValues('envoy.config.core.v3.ApiVersion')
export const healthStatus = enumValues('envoy.config.core.v3.HealthStatus')
export const appendAction = enumValues('envoy.config.core.v3.HeaderValueOption.HeaderAppendAction')
export const sanType = enumValues('envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher.SanType')
export const tlsProtocol = enumValues('envoy.extensions.transport_sockets.tls.v3.TlsParameters.TlsProtocol')
export const forwardClientCert = enumValues(
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.ForwardClientCertDetails',
)
export const zipkinVersion = enumValues('envoy.config.trace.v3.ZipkinConfig.CollectorEndpointVersion')
