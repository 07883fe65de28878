// The REST API and the diagnostics server of a control plane.
export { adminUser, anonymousUser, defaultAccessRules, hasRight, requireRight } from './access.ts'
export type {
  AccessRight,
  AccessRule,
  AccessRules,
  ApiServerDeps,
  ApiSettings,
  ApiUser,
  ControlPlaneIdentity,
  DestinationHostname,
  EnvoyAdminAccess,
  EnvoyAdminKind,
  EnvoyAdminOptions,
  ListenerSettings,
  ProxyConfigAccess,
  ServerCertificate,
  SyncAccess,
} from './api-deps.ts'
export { warnOfAnswer, withWarnings } from './answer-warnings.ts'
export type { ApiReply, ApiRequest, ApiRoute, Handler, Method } from './api-route.ts'
export { createDiagnosticsServer, type DiagnosticsServer, type DiagnosticsServerDeps } from './diagnostics.ts'
export { type MeshRulesDeps, newMeshOps } from './mesh-rules.ts'
export { type AssignmentSource, createMonitoringServer, type MonitoringServer, type MonitoringServerDeps } from './monitoring-server.ts'
export { badRequest, invalid, notFound, Problem } from './problem.ts'
export { type ApiServer, createApiApp, createApiServer } from './server.ts'
