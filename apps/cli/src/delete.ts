// weft delete.
import type { Connection } from './connection.ts'
import { findNoun, listNouns, restPath } from './nouns.ts'

export interface DeleteOptions {
  readonly type: string
  readonly name: string
  readonly mesh: string
}

/** Deletes one resource; throws api/not-found when there is none. */
export async function remove(connection: Connection, options: DeleteOptions, print: (text: string) => void): Promise<void> {
  const noun = findNoun(await listNouns(connection), options.type)
  await connection.json('DELETE', restPath(noun, options.mesh, options.name))
  print(`${noun.type} ${noun.isMeshScoped ? `${options.mesh}/` : ''}${options.name} deleted`)
}
