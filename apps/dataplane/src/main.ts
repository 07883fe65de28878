// `weft dp run`: asks the zone for a bootstrap, starts Envoy with it, answers readiness, drains on a signal.
import { Command, Option } from 'commander'
import { AppError, messageOf } from '@weft/foundation/errors'
import { createLogger, type LogOptions } from '@weft/foundation/log'
import { parseDuration } from '@weft/foundation/time'
import { parseResolver, type Resolver } from './dns/resolv-conf.ts'
import { runDataplane } from './run.ts'

const accepted = [
  'config <file>',
  'dns-server-log-level <level>',
  'envoy-log-level <level>',
  'transparent-proxy-config-file <file>',
  'log-output-path <path>',
  'log-max-age <days>',
  'log-max-retained-files <n>',
  'log-max-size <mb>',
  'cpuset-threads',
] // prettier keeps this a list: flags of kuma-dp run that have no effect here

const program = new Command('weft dp').description('Runs an Envoy proxy for a zone control plane.')
const run = program
  .command('run')
  .description('Start the proxy of one dataplane: bootstrap, Envoy, readiness, drain.')
  .addOption(
    new Option('--cp-address <url>', 'dataplane server of the zone').env('KUMA_CONTROL_PLANE_URL').default('https://localhost:5678'),
  )
  .addOption(new Option('--ca-cert-file <file>', 'PEM file that verifies the zone control plane').env('KUMA_CONTROL_PLANE_CA_CERT_FILE'))
  .addOption(new Option('--skip-verify', 'do not verify the zone control plane').env('KUMA_CONTROL_PLANE_TLS_SKIP_VERIFY').default(false))
  .addOption(new Option('--mesh <name>', 'mesh of the dataplane').env('KUMA_DATAPLANE_MESH').default('default'))
  .addOption(new Option('--name <name>', 'name of the dataplane').env('KUMA_DATAPLANE_NAME'))
  .addOption(new Option('--proxy-type <type>', 'only "dataplane" exists').env('KUMA_DATAPLANE_PROXY_TYPE').default('dataplane'))
  .addOption(
    new Option('-d, --dataplane-file <file>', 'Dataplane resource, YAML or JSON; "-" reads standard input').env(
      'KUMA_DATAPLANE_RUNTIME_RESOURCE_PATH',
    ),
  )
  .addOption(new Option('--dataplane <yaml>', 'Dataplane resource inline').env('KUMA_DATAPLANE_RUNTIME_RESOURCE'))
  .option('-v, --dataplane-var <name=value...>', 'values for {{ name }} in the Dataplane resource', [])
  .addOption(new Option('--dataplane-token <token>', 'token text').env('KUMA_DATAPLANE_RUNTIME_TOKEN'))
  .addOption(new Option('--dataplane-token-file <file>', 'file that holds the token').env('KUMA_DATAPLANE_RUNTIME_TOKEN_PATH'))
  .addOption(new Option('--binary-path <file>', 'Envoy binary; ENVOY_PATH, then PATH by default').env('KUMA_DATAPLANE_RUNTIME_BINARY_PATH'))
  .addOption(
    new Option('--work-dir <dir>', 'folder for the bootstrap and sockets; a temporary one by default').env(
      'KUMA_DATAPLANE_RUNTIME_WORK_DIR',
    ),
  )
  .addOption(new Option('--concurrency <n>', 'Envoy worker threads').env('KUMA_DATAPLANE_RUNTIME_CONCURRENCY'))
  .addOption(
    new Option('--drain-time <duration>', 'how long connections may finish after a stop signal')
      .env('KUMA_DATAPLANE_DRAIN_TIME')
      .default('30s'),
  )
  .addOption(new Option('--readiness-port <port>', 'port of /ready').env('KUMA_READINESS_PORT').default('9902'))
  .addOption(
    new Option('--dns-enabled [bool]', 'answer DNS queries beside the proxy').env('KUMA_DNS_ENABLED').default('true').preset('true'),
  )
  .addOption(
    new Option('--dns-proxy-port <port>', 'DNS port on loopback; the one queries are redirected to, else 15053, by default; 0 is off').env(
      'KUMA_DNS_PROXY_PORT',
    ),
  )
  .addOption(
    new Option(
      '--dns-upstream <addresses>',
      'resolvers for names outside of the mesh, address[:port],...; those of this host by default',
    ).env('WEFT_DNS_UPSTREAM'),
  )
  .option('--transparent-proxy', 'traffic of this host is redirected to the default ports', false)
  .addOption(
    new Option('--transparent-proxy-config <files...>', 'YAML that says how traffic of this host is redirected; "-" reads standard input'),
  )
  .addOption(
    new Option('--bind-outbounds [bool]', 'outbounds listen on their own addresses although traffic is redirected')
      .env('KUMA_DATAPLANE_RUNTIME_BIND_OUTBOUNDS')
      .default('false')
      .preset('true'),
  )
  .addOption(new Option('--log-level <level>', 'off, info or debug').env('KUMA_LOG_LEVEL').default('info'))
  .addHelpText(
    'after',
    '\nExamples:\n  weft dp run --cp-address https://zone:5678 --ca-cert-file ca.pem --dataplane-file dp.yaml --dataplane-token-file token\n  weft dp run --dataplane-file dp.yaml -v address=10.0.0.7 --dataplane-token-file token --drain-time 5s',
  )
for (const flag of accepted) run.addOption(new Option(`--${flag}`).hideHelp())

run.action(async (options: Readonly<Record<string, unknown>>) => {
  const log = createLogger({ level: levelOf(options['logLevel']) })
  for (const flag of accepted) {
    const name = flag.split(' ')[0] ?? flag
    const key = name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
    if (options[key] !== undefined) log.warn({ component: 'dp', flag: name }, 'flag accepted without effect')
  }
  const text = (name: string): string | undefined => (typeof options[name] === 'string' && options[name] !== '' ? options[name] : undefined)
  const drainMs = parseDuration(text('drainTime') ?? '30s')
  if (drainMs === undefined || drainMs < 0) throw new AppError('cli/usage', `--drain-time: not a duration: ${text('drainTime')}`)
  process.exitCode = await runDataplane(
    {
      cpAddress: text('cpAddress') ?? '',
      caCertFile: text('caCertFile'),
      skipVerify: options['skipVerify'] === true || options['skipVerify'] === 'true',
      mesh: text('mesh') ?? 'default',
      name: text('name'),
      proxyType: text('proxyType') ?? 'dataplane',
      dataplaneFile: text('dataplaneFile'),
      dataplane: text('dataplane'),
      variables: new Map(
        (options['dataplaneVar'] as readonly string[]).map((pair) => [pair.split('=')[0] ?? '', pair.slice(pair.indexOf('=') + 1)]),
      ),
      token: text('dataplaneToken'),
      tokenFile: text('dataplaneTokenFile'),
      envoyBinary: text('binaryPath'),
      workDir: text('workDir'),
      concurrency: text('concurrency'),
      drainMs,
      readinessPort: Number(text('readinessPort') ?? 9902),
      transparentProxyFiles: texts(options['transparentProxyConfig']),
      transparentProxy: options['transparentProxy'] === true,
      bindOutbounds: isOn('--bind-outbounds', options['bindOutbounds']),
      dns: {
        enabled: isOn('--dns-enabled', options['dnsEnabled']),
        port: port('--dns-proxy-port', text('dnsProxyPort')),
        upstreams: texts(text('dnsUpstream')).map(resolver),
      },
    },
    log,
  )
})

/** Lists of flags may be given several times and separated by commas. */
function texts(value: unknown): readonly string[] {
  return (Array.isArray(value) ? value : [value]).flatMap((item) => (typeof item === 'string' ? item.split(',') : [])).filter(Boolean)
}

function isOn(flag: string, value: unknown): boolean {
  if (value === true || value === 'true' || value === '1') return true
  if (value === undefined || value === false || value === 'false' || value === '0') return false
  throw new AppError('cli/usage', `${flag}: neither true nor false: ${String(value)}`)
}

function port(flag: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535) throw new AppError('cli/usage', `${flag}: not a port: ${value}`)
  return Number(value)
}

function resolver(value: string): Resolver {
  const found = parseResolver(value)
  if (found === undefined) throw new AppError('cli/usage', `--dns-upstream: neither address nor address:port: ${value}`)
  return found
}

function levelOf(value: unknown): LogOptions['level'] {
  return value === 'debug' || value === 'off' || value === 'warn' || value === 'error' || value === 'trace' ? value : 'info'
}

try {
  await program.parseAsync(process.argv)
} catch (error) {
  process.stderr.write(`weft dp: ${messageOf(error)}\n`)
  process.exitCode = error instanceof AppError && error.code === 'cli/usage' ? 2 : 1
}
