// Where Prometheus finds the metrics of proxies.
export { type AssignmentList, createMonitoringAssignments, type MonitoringAssignment, type MonitoringAssignments } from './assignments.ts'
