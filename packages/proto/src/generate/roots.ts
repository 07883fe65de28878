// What the sets below proto/ hold that are cut out of Envoy's: messages the control plane builds or reads, and every payload it puts into an Any.

const wellKnown: readonly string[] = [
  'google.rpc.Status',
  ...names('google.protobuf', 'Any Duration Timestamp Struct Value ListValue Empty BoolValue StringValue BytesValue'),
  ...names('google.protobuf', 'DoubleValue FloatValue Int32Value Int64Value UInt32Value UInt64Value'),
]

/** What carries resources from one control plane to another, and what Kuma's and our own .proto files refer to. */
export const discoveryRoots: readonly string[] = [
  ...names('envoy.service.discovery.v3', 'DeltaDiscoveryRequest DeltaDiscoveryResponse'),
  ...wellKnown,
]

/** Full names of messages and services that Envoy's pruned descriptor set is cut down to. */
export const prunedRoots: readonly string[] = [
  ...names('envoy.service.discovery.v3', 'DeltaDiscoveryRequest DeltaDiscoveryResponse AggregatedDiscoveryService'),
  ...names(
    'envoy.service.health.v3',
    'HealthDiscoveryService Capability HealthCheckRequest EndpointHealth LocalityEndpointsHealth ClusterEndpointsHealth EndpointHealthResponse',
  ),
  ...names(
    'envoy.service.health.v3',
    'HealthCheckRequestOrEndpointHealthResponse LocalityEndpoints ClusterHealthCheck HealthCheckSpecifier',
  ),
  'envoy.config.bootstrap.v3.Bootstrap',
  'envoy.config.cluster.v3.Cluster',
  'envoy.config.endpoint.v3.ClusterLoadAssignment',
  'envoy.config.listener.v3.Listener',
  'envoy.config.route.v3.RouteConfiguration',
  ...names('envoy.config.rbac.v3', 'Action RBAC'),
  ...names('envoy.config.trace.v3', 'OpenTelemetryConfig ZipkinConfig DatadogConfig'),
  'envoy.config.grpc_credential.v3.FileBasedMetadataConfig',
  ...names('envoy.admin.v3', 'ConfigDump BootstrapConfigDump ClustersConfigDump ListenersConfigDump RoutesConfigDump'),
  ...names('envoy.admin.v3', 'ScopedRoutesConfigDump EndpointsConfigDump SecretsConfigDump'),
  ...names('envoy.extensions.transport_sockets.tls.v3', 'Secret UpstreamTlsContext DownstreamTlsContext SPIFFECertValidatorConfig'),
  'envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport',
  'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
  'envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions',
  'envoy.extensions.access_loggers.file.v3.FileAccessLog',
  ...names('envoy.extensions.access_loggers.stream.v3', 'StdoutAccessLog StderrAccessLog'),
  ...names('envoy.extensions.access_loggers.grpc.v3', 'HttpGrpcAccessLogConfig TcpGrpcAccessLogConfig'),
  'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig',
  'envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter',
  'envoy.extensions.regex_engines.v3.GoogleRE2',
  'envoy.extensions.bootstrap.internal_listener.v3.InternalListener',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
  'envoy.extensions.filters.network.direct_response.v3.Config',
  'envoy.extensions.filters.network.rbac.v3.RBAC',
  'envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit',
  'envoy.extensions.filters.network.sni_cluster.v3.SniCluster',
  'envoy.extensions.filters.network.set_filter_state.v3.Config',
  'envoy.extensions.filters.http.set_filter_state.v3.Config',
  ...names('envoy.extensions.filters.http.rbac.v3', 'RBAC RBACPerRoute'),
  'envoy.extensions.filters.http.router.v3.Router',
  'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit',
  'envoy.extensions.filters.http.fault.v3.HTTPFault',
  'envoy.extensions.filters.http.lua.v3.Lua',
  'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig',
  'envoy.extensions.filters.common.matcher.action.v3.SkipFilter',
  'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
  'envoy.extensions.filters.listener.original_dst.v3.OriginalDst',
  'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector',
  'envoy.extensions.filters.listener.set_filter_state.v3.Config',
  'envoy.extensions.common.matching.v3.ExtensionWithMatcher',
  'envoy.extensions.common.matching.v3.ExtensionWithMatcherPerRoute',
  ...names('envoy.extensions.matching.common_inputs.ssl.v3', 'UriSanInput DnsSanInput SubjectInput'),
  ...names('envoy.extensions.matching.common_inputs.network.v3', 'ServerNameInput DestinationIPInput DestinationPortInput SourceIPInput'),
  ...names('envoy.extensions.matching.common_inputs.network.v3', 'DirectSourceIPInput SourcePortInput TransportProtocolInput'),
  ...names('envoy.extensions.matching.common_inputs.network.v3', 'ApplicationProtocolInput FilterStateInput'),
  'envoy.type.matcher.v3.StringMatcher',
  ...names('envoy.type.matcher.v3', 'HttpRequestHeaderMatchInput HttpResponseHeaderMatchInput'),
  ...names('xds.type.matcher.v3', 'Matcher StringMatcher IPMatcher ServerNameMatcher CelMatcher'),
  'envoy.extensions.clusters.aggregate.v3.ClusterConfig',
  'envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink',
  'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
  'envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig',
  'envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate',
  'envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
  ...wellKnown,
  'xds.type.v3.TypedStruct',
]

function names(scope: string, locals: string): readonly string[] {
  return locals.split(' ').map((local) => `${scope}.${local}`)
}
