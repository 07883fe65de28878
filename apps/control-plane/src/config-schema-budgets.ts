// Settings of budgets: how much of something one address or user may have in a minute. 0: as much as it likes.
import { count } from './config-schema.ts'

export const budget = {
  type: 'object',
  properties: {
    userFailures: {
      ...count(120),
      env: 'WEFT_BUDGET_USER_FAILURES',
      description:
        'Bad user tokens that one address may show to the API in a minute; then its tokens are refused unseen (429). 0: any number.',
    },
    zoneFailures: {
      ...count(120),
      env: 'WEFT_BUDGET_ZONE_FAILURES',
      description: 'Bad zone tokens that one address may show in a minute; then its tokens are refused unseen. Streams that are open stay.',
    },
    proxyFailures: {
      ...count(120),
      env: 'WEFT_BUDGET_PROXY_FAILURES',
      description:
        'Bad credentials of proxies that one address may show in a minute; then they are refused unseen. Streams that are open stay.',
    },
    questions: {
      ...count(1200),
      env: 'WEFT_BUDGET_QUESTIONS',
      description: 'Questions to proxies (config dump, stats, clusters) that one user, or one address without a user, may ask in a minute.',
    },
    writes: {
      ...count(0),
      env: 'WEFT_BUDGET_WRITES',
      description: 'Requests to change something that one user, or one address without a user, may make in a minute.',
    },
  },
} as const
