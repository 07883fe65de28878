// Names of what replicas say to each other by NATS. All begin with `weft.<store id>.`, so several control planes can share a server and a
// right for that prefix is all that one of them needs.

/** The change log has grown, or this instance is there. */
export function announceSubject(storeId: string): string {
  return `weft.${token(storeId)}.announce`
}

/** Questions to an instance. */
export function askSubject(storeId: string, instanceId: string): string {
  return `weft.${token(storeId)}.ask.${token(instanceId)}`
}

/** Where answers to an instance go: one subject for each question; `*` is all of them. */
export function answerSubject(storeId: string, instanceId: string, question: string): string {
  return `weft.${token(storeId)}.answer.${token(instanceId)}.${question}`
}

/** The text as one token of a subject: host names have dots. */
function token(text: string): string {
  return /^[A-Za-z0-9_-]+$/.test(text) ? text : `=${Buffer.from(text).toString('base64url')}`
}
