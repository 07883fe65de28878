// Collectors that ask for TLS and for a certificate of the launcher, over gRPC and HTTP, with the files that the environment names.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import { systemClock } from '@weft/foundation/time'
import { createClientCertificate, createServerCertificate } from '@weft/identity'
import { connectCollector, exportMethods, SendError } from './collector-connection.ts'
import type { Destination } from './signal-plan.ts'

const folder = mkdtempSync(join(tmpdir(), 'wcc-'))
after(() => rmSync(folder, { recursive: true }))
const file = (name: string): string => join(folder, name)
let certificatePem = ''
let privateKeyPem = ''
let clientPem = ''
before(async () => {
  const of = { hosts: ['localhost'], commonName: 'test', now: systemClock.now() }
  const [server, client, other] = await Promise.all([createServerCertificate(of), createClientCertificate(of), createServerCertificate(of)])
  certificatePem = server.certificatePem
  privateKeyPem = server.privateKeyPem
  clientPem = client.certificatePem
  writeFileSync(file('ca.pem'), certificatePem)
  writeFileSync(file('client.pem'), clientPem)
  writeFileSync(file('key.pem'), client.privateKeyPem)
  writeFileSync(file('other.pem'), other.certificatePem)
})

const destination = (protocol: Destination['protocol'], port: number, over: Partial<Destination> = {}): Destination => ({
  protocol,
  endpoint: `localhost:${port}`,
  tls: true,
  path: protocol === 'grpc' ? '' : '/v1/logs',
  headers: {},
  gzip: false,
  timeoutMs: 60_000,
  ...over,
})

interface Receiver extends AsyncDisposable {
  readonly port: number
  readonly arrived: string[]
}

/** Over gRPC; asks for the certificate of the launcher. */
async function grpcReceiver(): Promise<Receiver> {
  const arrived: string[] = []
  const server = new Server()
  const bytes = (value: Buffer): Buffer => value
  const method = {
    path: exportMethods.logs,
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  } as const
  server.addService(
    { Export: method },
    {
      Export: ({ request }: { request: Buffer }, done: (error: null, answer: Buffer) => void) => {
        arrived.push(request.toString())
        done(null, Buffer.alloc(0))
      },
    },
  )
  const pair = { cert_chain: Buffer.from(certificatePem), private_key: Buffer.from(privateKeyPem) }
  const port = await new Promise<number>((done, fail) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createSsl(Buffer.from(clientPem), [pair], true), (error, bound) =>
      error ? fail(error) : done(bound),
    ),
  )
  return { port, arrived, [Symbol.asyncDispose]: async () => server.forceShutdown() }
}

/** The same over HTTP. */
async function httpReceiver(): Promise<Receiver> {
  const arrived: string[] = []
  const options = { key: privateKeyPem, cert: certificatePem, ca: clientPem, requestCert: true, rejectUnauthorized: true }
  const server = createServer(options, (request, response) => {
    request.on('data', (chunk: Buffer) => arrived.push(chunk.toString()))
    request.on('end', () => response.end())
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    // an address of a listening TCP server is always an object
    port: (server.address() as AddressInfo).port,
    arrived,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

describe('a collector with TLS', () => {
  for (const protocol of ['grpc', 'http/protobuf'] as const) {
    const receiver = protocol === 'grpc' ? grpcReceiver : httpReceiver
    const client = () => ({ clientCertificate: file('client.pem'), clientKey: file('key.pem') })

    test(`${protocol}: is verified, and sees the certificate of the launcher`, async () => {
      await using collector = await receiver()
      const connection = connectCollector(destination(protocol, collector.port, { certificate: file('ca.pem'), ...client() }))
      await connection.send('logs', Buffer.from('hello'))
      assert.deepEqual(collector.arrived, ['hello'])
      connection.close()
    })

    for (const [what, over] of [
      ['an authority that does not vouch for it', () => ({ certificate: file('other.pem'), ...client() })],
      ['no certificate of the launcher', () => ({ certificate: file('ca.pem') })],
      ['no TLS', () => ({ tls: false })],
    ] as const) {
      test(`${protocol}: gets nothing with ${what}`, async () => {
        await using collector = await receiver()
        const connection = connectCollector(destination(protocol, collector.port, over()))
        await assert.rejects(connection.send('logs', Buffer.from('secret')), (error) => {
          assert.ok(error instanceof SendError)
          assert.equal(error.code, status.UNAVAILABLE)
          return true
        })
        assert.deepEqual(collector.arrived, [])
        connection.close()
      })
    }
  }
})

test('a collector that takes a request and never answers is given up, and what is under way ends before the connection does', async () => {
  const server = createServer({ key: privateKeyPem, cert: certificatePem }, () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const connection = connectCollector(destination('http/protobuf', port, { certificate: file('ca.pem'), timeoutMs: 200 }))
  const sent = connection.send('logs', Buffer.from('x'))
  connection.close()
  await assert.rejects(sent, (error) => error instanceof SendError && error.code === status.DEADLINE_EXCEEDED)
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
})
