// Yes-or-no parameters of a query, in every spelling the peers take.
import type { ApiRequest } from './api-route.ts'
import { badRequest } from './problem.ts'

const yes = ['1', 't', 'T', 'TRUE', 'true', 'True']
const no = ['0', 'f', 'F', 'FALSE', 'false', 'False']

/** The flag, `whenAbsent` when the query does not name it. Throws the Problem to answer with for anything else. */
export function queryFlag(request: ApiRequest, name: string, whenAbsent: boolean): boolean {
  const text = request.query.get(name)
  if (text === null || text === '') return whenAbsent
  if (yes.includes(text)) return true
  if (no.includes(text)) return false
  throw badRequest(`unsupported value for query parameter '${name}'`)
}
