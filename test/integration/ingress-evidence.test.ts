// What one real Envoy shows of endpoints that take connections and say nothing, and what it answers to a probe of its ingress.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { FakeClock, systemClock } from '../../packages/foundation/src/time/index.ts'
import { ingressProbe } from '../../packages/resources/src/index.ts'
import { http, until } from '../../apps/demo/src/rest.ts'
import { hostCounters } from '../../packages/reachability/src/host-counters.ts'
import { createProbe } from '../../packages/reachability/src/probe.ts'
import { envoyBinary, freePorts } from '../e2e/zone.ts'

const any = (type: string, fields: object): object => ({ '@type': `type.googleapis.com/envoy.extensions.${type}`, ...fields })
const socket = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } })

function cluster(name: string, port: number, options: { readonly http: boolean; readonly tls: boolean }): object {
  const protocol = any('upstreams.http.v3.HttpProtocolOptions', { explicit_http_config: { http_protocol_options: {} } })
  return {
    name,
    type: 'STATIC',
    // of those that answer: longer than a machine stands still
    connect_timeout: options.tls ? '0.5s' : '60s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(port) } }] }] },
    ...(options.http ? { typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': protocol } } : {}),
    ...(options.tls
      ? {
          transport_socket: {
            name: 'envoy.transport_sockets.tls',
            typed_config: any('transport_sockets.tls.v3.UpstreamTlsContext', {}),
          },
        }
      : {}),
  }
}

function tcpFilter(to: string): object {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: any('filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: to, cluster: to }),
  }
}

function httpFilter(to: string): object {
  const router = { name: 'envoy.filters.http.router', typed_config: any('filters.http.router.v3.Router', {}) }
  const routes = [{ match: { prefix: '/' }, route: { cluster: to } }]
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: any('filters.network.http_connection_manager.v3.HttpConnectionManager', {
      stat_prefix: to,
      route_config: { virtual_hosts: [{ name: to, domains: ['*'], routes }] },
      http_filters: [router],
    }),
  }
}

function ingress(port: number): object {
  const chain = (serverName: string, filter: object): object => ({
    filter_chain_match: { transport_protocol: 'tls', server_names: [serverName] },
    filters: [filter],
  })
  const answer = {
    name: 'envoy.filters.network.direct_response',
    typed_config: any('filters.network.direct_response.v3.Config', { response: { inline_string: ingressProbe.answer } }),
  }
  return {
    name: 'ingress',
    address: socket(port),
    listener_filters: [
      { name: 'envoy.filters.listener.tls_inspector', typed_config: any('filters.listener.tls_inspector.v3.TlsInspector', {}) },
    ],
    filter_chains: [chain('sni.msvc.default.east.web.http', tcpFilter('good-tcp')), chain(ingressProbe.serverName, answer)],
  }
}

/** One TCP exchange; resolves when the other side ends it. */
async function talk(port: number): Promise<void> {
  const client = connect({ host: '127.0.0.1', port })
  client.on('error', () => {})
  client.resume()
  client.write('GET / HTTP/1.0\r\n\r\n')
  // it may end with a reset
  await new Promise<void>((done) => client.once('close', () => done()))
}

test('connections that fail and answers that come are told apart for HTTP and TCP, and a probe is answered by Envoy itself', {
  skip: envoyBinary ? false : 'no Envoy binary: set ENVOY_PATH',
  timeout: 400_000,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'we-'))
  const silent = new Set<Socket>()
  const black = createServer((peer) => {
    silent.add(peer)
    peer.on('error', () => {})
    peer.resume()
  })
  const good = createHttpServer((_request, response) => response.end('ok'))
  const [admin = 0, goodHttp = 0, blackHttp = 0, goodTcp = 0, blackTcp = 0, front = 0, goodPort = 0, blackPort = 0] = await freePorts(8)
  await Promise.all([once(good.listen(goodPort, '127.0.0.1'), 'listening'), once(black.listen(blackPort, '127.0.0.1'), 'listening')])
  const listener = (name: string, port: number, filter: object): object => ({
    name,
    address: socket(port),
    filter_chains: [{ filters: [filter] }],
  })
  const config = {
    admin: { address: socket(admin) },
    static_resources: {
      clusters: [
        cluster('good-http', goodPort, { http: true, tls: false }),
        cluster('black-http', blackPort, { http: true, tls: true }),
        cluster('good-tcp', goodPort, { http: false, tls: false }),
        cluster('black-tcp', blackPort, { http: false, tls: true }),
      ],
      listeners: [
        listener('good-http', goodHttp, httpFilter('good-http')),
        listener('black-http', blackHttp, httpFilter('black-http')),
        listener('good-tcp', goodTcp, tcpFilter('good-tcp')),
        listener('black-tcp', blackTcp, tcpFilter('black-tcp')),
        ingress(front),
      ],
    },
  }
  let envoy: ChildProcess | undefined
  try {
    writeFileSync(join(folder, 'envoy.json'), JSON.stringify(config))
    envoy = spawn(
      envoyBinary ?? '',
      ['-c', join(folder, 'envoy.json'), '--concurrency', '1', '--log-level', 'error', '--use-dynamic-base-id'],
      { stdio: 'ignore' },
    )
    await until('Envoy ready', async () => (await http('GET', `http://127.0.0.1:${admin}/ready`)).status === 200)
    const counters = async () => {
      const { text } = await http('GET', `http://127.0.0.1:${admin}/clusters?format=json`)
      return Object.fromEntries(hostCounters(text, (name) => name.endsWith('-http')))
    }
    const [atGood, atBlack] = [`127.0.0.1 ${goodPort}`, `127.0.0.1 ${blackPort}`]
    assert.deepEqual(await counters(), { [atGood]: { failures: 0, successes: 0 }, [atBlack]: { failures: 0, successes: 0 } })
    assert.equal((await http('GET', `http://127.0.0.1:${blackHttp}/`)).status, 503)
    await talk(blackTcp)
    await until('both failures are counted', async () => ((await counters())[atBlack]?.failures ?? 0) >= 2)
    assert.deepEqual((await counters())[atBlack], { failures: 2, successes: 0 })
    assert.equal((await http('GET', `http://127.0.0.1:${goodHttp}/`)).status, 200)
    await talk(goodTcp)
    await until('both answers are counted', async () => ((await counters())[atGood]?.successes ?? 0) >= 2)
    assert.deepEqual((await counters())[atGood], { failures: 0, successes: 2 })

    // no time passes: a busy machine may take as long as it likes to answer
    const answered = await createProbe(new FakeClock())({ address: '127.0.0.1', port: front, expectsAnswer: true })
    assert.ok(answered.ok && answered.answered)
    assert.equal((await createProbe(systemClock)({ address: '127.0.0.1', port: blackPort, expectsAnswer: true })).ok, false)
  } finally {
    envoy?.kill('SIGKILL')
    for (const peer of silent) peer.destroy()
    black.close()
    good.closeAllConnections()
    good.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
