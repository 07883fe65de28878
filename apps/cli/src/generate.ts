// weft generate: tokens are made by the control plane, which holds the signing keys.
import { type Connection, refusal } from './connection.ts'

/** Prints the token alone, so that the output can go to a file. */
export async function generateToken(
  connection: Connection,
  kind: 'dataplane' | 'zone' | 'user',
  body: object,
  print: (text: string) => void,
): Promise<void> {
  const answer = await connection.send('POST', `/tokens/${kind}`, body)
  if (answer.status !== 200) throw refusal(answer)
  print(answer.text.trim())
}
