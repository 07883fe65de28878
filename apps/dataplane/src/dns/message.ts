// DNS messages: what a query asks, and answers to it (RFC 1035, EDNS as in RFC 6891). Bytes come from anyone on this host; whatever they are, reading them
// ends with a query, a refusal to send back, or silence.
import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, type OptAnswer, type Packet, RECURSION_AVAILABLE } from 'dns-packet'
import type { NameAddresses } from './records.ts'

export const rcodes = { noError: 0, formatError: 1, serverFailure: 2, nameError: 3, notImplemented: 4, refused: 5 } as const

export interface Query {
  readonly bytes: Buffer
  readonly id: number
  /** As the client spelled it, without a final dot. */
  readonly name: string
  /** Mnemonic such as A, or UNKNOWN_65. */
  readonly type: string
  readonly isInternet: boolean
  /** Where the one question ends. */
  readonly questionEnd: number
  /** What the client takes in a datagram; undefined without EDNS. */
  readonly udpPayloadBytes: number | undefined
  readonly dnssecOk: boolean
}

export type Reading =
  | { readonly kind: 'query'; readonly query: Query }
  | { readonly kind: 'refusal'; readonly answer: Buffer; readonly rcode: number }
  | { readonly kind: 'silence' }

export const headerBytes = 12
const questionTailBytes = 4
const smallestRecordBytes = 11
const maxLabelBytes = 63
const maxNameBytes = 255
/** Without EDNS (RFC 1035 section 4.2.1). */
const plainUdpBytes = 512
/** What survives on any path without fragments; more is asked for over TCP. */
const ownUdpBytes = 1232
const responseBit = 0x8000
const truncatedBit = 0x0200
const opcodeMask = 0x7800
/** Opcode, RD and CD of a query come back in its answer. */
const echoedMask = 0x7910
const badVersion = 16

/** Reads what arrived. */
export function readQuery(bytes: Buffer): Reading {
  if (bytes.length < headerBytes) return { kind: 'silence' }
  const flags = bytes.readUInt16BE(2)
  // answering an answer is how two servers talk for ever
  if ((flags & responseBit) !== 0) return { kind: 'silence' }
  if ((flags & opcodeMask) !== 0) return refusal(bytes, headerBytes, rcodes.notImplemented)
  const questionEnd = bytes.readUInt16BE(4) === 1 ? endOfQuestion(bytes) : undefined
  if (questionEnd === undefined) return refusal(bytes, headerBytes, rcodes.formatError)
  const records = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10)
  // decoding makes room for all that are announced
  if (records * smallestRecordBytes > bytes.length - questionEnd) return refusal(bytes, questionEnd, rcodes.formatError)
  let packet: Packet
  try {
    packet = decode(bytes)
  } catch {
    return refusal(bytes, questionEnd, rcodes.formatError)
  }
  const question = packet.questions?.[0]
  const options = (packet.additionals ?? []).filter((record) => record.type === 'OPT')
  if (question === undefined || options.length > 1) return refusal(bytes, questionEnd, rcodes.formatError)
  const edns = options[0]
  const query: Query = {
    bytes,
    id: bytes.readUInt16BE(0),
    name: question.name,
    type: question.type,
    isInternet: (question.class ?? 'IN') === 'IN' || question.class === 'ANY',
    questionEnd,
    udpPayloadBytes: edns?.udpPayloadSize,
    dnssecOk: edns?.flag_do === true,
  }
  if (edns !== undefined && edns.ednsVersion !== 0)
    return { kind: 'refusal', answer: encodeAnswer(query, [], badVersion), rcode: badVersion }
  return { kind: 'query', query }
}

/** The answer to a question for a name of the mesh. A name without addresses of the kind asked for exists all the same: no error, no answers. */
export function answerAddresses(query: Query, addresses: NameAddresses, ttl: number): Buffer {
  const of = (type: 'A' | 'AAAA', list: readonly string[]): Answer[] =>
    query.type === type || query.type === 'ANY' ? list.map((data) => ({ type, name: query.name, ttl, data })) : []
  return encodeAnswer(query, [...of('A', addresses.ipv4), ...of('AAAA', addresses.ipv6)], rcodes.noError)
}

/** An answer without records that says why there are none. */
export function answerFailure(query: Query, rcode: number): Buffer {
  return failure(query.bytes, query.questionEnd, rcode)
}

/** The answer as it may go out in a datagram: one that the client cannot take is cut to its question, and says so. */
export function fitDatagram(query: Query, answer: Buffer): Buffer {
  const limit = Math.max(query.udpPayloadBytes ?? 0, plainUdpBytes)
  if (answer.length <= limit) return answer
  const cut = Buffer.from(answer.subarray(0, Math.min(query.questionEnd, answer.length)))
  cut.writeUInt16BE(cut.readUInt16BE(2) | truncatedBit, 2)
  cut.fill(0, 6, headerBytes)
  return cut
}

/** True for an answer to exactly this query: its id, its question. Servers that refuse a query may leave the question out. */
export function answersQuery(answer: Buffer, query: Query, id: number): boolean {
  if (answer.length < headerBytes || answer.readUInt16BE(0) !== id) return false
  const flags = answer.readUInt16BE(2)
  if ((flags & responseBit) === 0 || (flags & opcodeMask) !== 0) return false
  const questions = answer.readUInt16BE(4)
  if (questions === 0) return rcodeOf(answer) !== rcodes.noError && rcodeOf(answer) !== rcodes.nameError
  if (questions !== 1 || answer.length < query.questionEnd) return false
  const nameEnd = query.questionEnd - questionTailBytes
  return (
    isSameName(answer.subarray(headerBytes, nameEnd), query.bytes.subarray(headerBytes, nameEnd)) &&
    answer.subarray(nameEnd, query.questionEnd).equals(query.bytes.subarray(nameEnd, query.questionEnd))
  )
}

/** A copy with another id. */
export function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message)
  copy.writeUInt16BE(id, 0)
  return copy
}

/** The low four bits of the response code, which is all a message without EDNS has. */
export function rcodeOf(answer: Buffer): number {
  return answer.readUInt16BE(2) & 0xf
}

/** Names compare without regard to case in ASCII; lengths of labels are below any letter. */
function isSameName(a: Buffer, b: Buffer): boolean {
  const lower = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte)
  return a.length === b.length && a.every((byte, at) => lower(byte) === lower(b[at] ?? -1))
}

/** Where the question after the header ends; undefined when it is cut short, too long or compressed, for which there is nothing to point at. */
function endOfQuestion(bytes: Buffer): number | undefined {
  let at = headerBytes
  for (;;) {
    const length = bytes[at]
    if (length === undefined || length > maxLabelBytes) return undefined
    at += 1 + length
    if (at - headerBytes > maxNameBytes) return undefined
    if (length === 0) break
  }
  return at + questionTailBytes <= bytes.length ? at + questionTailBytes : undefined
}

function encodeAnswer(query: Query, answers: Answer[], rcode: number): Buffer {
  const edns: OptAnswer[] =
    query.udpPayloadBytes === undefined
      ? []
      : [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: ownUdpBytes,
            extendedRcode: rcode >> 4,
            ednsVersion: 0,
            flags: query.dnssecOk ? 0x8000 : 0,
            flag_do: query.dnssecOk,
            options: [],
          },
        ]
  const own = rcode === rcodes.noError ? AUTHORITATIVE_ANSWER : 0
  const echoed = query.bytes.readUInt16BE(2) & echoedMask
  const body = encode({ type: 'response', answers, additionals: edns })
  // the question goes back byte for byte, whatever its labels are made of
  const question = query.bytes.subarray(headerBytes, query.questionEnd)
  const message = Buffer.concat([body.subarray(0, headerBytes), question, body.subarray(headerBytes)])
  message.writeUInt16BE(query.id, 0)
  message.writeUInt16BE(responseBit | echoed | RECURSION_AVAILABLE | own | (rcode & 0xf), 2)
  message.writeUInt16BE(1, 4)
  return message
}

function refusal(bytes: Buffer, questionEnd: number, rcode: number): Reading {
  return { kind: 'refusal', answer: failure(bytes, questionEnd, rcode), rcode }
}

/** Header and, as far as there is a whole one, question. */
function failure(bytes: Buffer, questionEnd: number, rcode: number): Buffer {
  const answer = Buffer.from(bytes.subarray(0, questionEnd))
  answer.writeUInt16BE(responseBit | (bytes.readUInt16BE(2) & echoedMask) | RECURSION_AVAILABLE | rcode, 2)
  answer.writeUInt16BE(questionEnd > headerBytes ? 1 : 0, 4)
  answer.fill(0, 6, headerBytes)
  return answer
}
