// For tests of this and higher packages.
export { arbitraryFor, type ArbitraryOptions } from './arbitrary-for.ts'
export { checkRecordedViolations, type RecordedViolations } from './recorded-violations.ts'
export { checkHostileInput, checkRoundTrips } from './round-trips.ts'
