// The handlers of one process by topic.
import type { RequestHandler } from './contract.ts'

export interface Topics {
  /** Throws when the topic has a handler. */
  serve(topic: string, handler: RequestHandler): void
  handler(topic: string): RequestHandler | undefined
}

export function createTopics(): Topics {
  const handlers = new Map<string, RequestHandler>()
  return {
    serve: (topic, handler) => {
      if (handlers.has(topic)) throw new Error(`the topic ${topic} has a handler`)
      handlers.set(topic, handler)
    },
    handler: (topic) => handlers.get(topic),
  }
}
