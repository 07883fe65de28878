// So much of something for each client in a minute: failed attempts, questions, writes.
export { type Attempt, type Attempts, type AttemptsOptions, createAttempts, uncountedAttempts } from './attempts.ts'
export { type Budget, type BudgetOptions, createBudget, retryAfterSeconds } from './budget.ts'
export type { SharedCount, Tally } from './tally.ts'
