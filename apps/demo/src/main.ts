// npm run demo, weft demo: a whole federation with real Envoys on this machine, proven before it is handed over.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { Command } from 'commander'
import { messageOf } from '@weft/foundation/errors'
import { createFederation } from './federation.ts'
import { createProcesses } from './processes.ts'
import { build, prove, type Stage } from './proofs.ts'
import type { Service } from './services.ts'

interface Options {
  readonly check: boolean
  readonly data: string
  readonly reset: boolean
  readonly portBase: string
}

const root = resolve(import.meta.dirname, '../../..')

/** Parses the command line, runs the demo and resolves with the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const options: Options = new Command('weft demo')
    .description('One global, two zones, real Envoys and services on loopback.')
    .option('--check', 'run the proofs on a fresh temporary data folder, remove it, and exit', false)
    .option('--data <dir>', 'data folder', join(root, '.data', 'demo'))
    .option('--reset', 'empty the data folder first', false)
    .option('--port-base <port>', 'first port; the demo uses ports up to 400 above it', '5600')
    .addHelpText('after', '\nExamples:\n  npm run demo\n  npm run demo -- --check\n  weft demo --port-base 15600 --data /tmp/demo --reset')
    .parse([...argv], { from: 'user' })
    .opts()
  const dataDir = options.check ? mkdtempSync(join(tmpdir(), 'wd-')) : resolve(options.data)
  if (options.reset && existsSync(dataDir)) emptyFolder(dataDir)
  mkdirSync(dataDir, { recursive: true })
  const services: Service[] = []
  const processes = createProcesses(dataDir, (name, code) =>
    console.error(`  ${name} ended (exit ${code}); its log: ${join(dataDir, name, 'log')}`),
  )
  const interrupted = new Promise<'interrupted'>((done) => {
    // a terminal signals all processes of the foreground and npm's runner passes it on: the second one must not end what the first one stops
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => done('interrupted'))
  })
  const federation = createFederation({ weft: join(root, 'weft'), base: Number(options.portBase), processes })
  const stage: Stage = {
    federation,
    processes,
    services,
    show: (what, ms) => console.log(`  ok  ${what}${ms === undefined ? '' : `  [${ms.toFixed(0)} ms]`}`),
  }
  const closeAll = async (): Promise<void> => {
    await processes.stopAll()
    await Promise.all(services.map((service) => service.close()))
  }
  let isProven = false
  try {
    console.log('Starting one global and two zone control planes, five Envoys and two services')
    const outcome = await Promise.race([build(stage).then(() => prove(stage)), interrupted])
    if (outcome === 'interrupted') return 130
    isProven = true
    console.log('All proofs hold.')
    if (options.check) return 0
    console.log(invitation(federation, dataDir))
    await interrupted
    console.log('\nStopping')
    return 0
  } catch (error) {
    console.error(`  FAILED  ${messageOf(error)}`)
    if (options.check) console.error(`  logs kept in ${dataDir}`)
    return 1
  } finally {
    await closeAll()
    if (options.check && isProven) rmSync(dataDir, { recursive: true, force: true })
  }
}

function emptyFolder(dir: string): void {
  for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true, force: true })
}

function invitation(federation: ReturnType<typeof createFederation>, dataDir: string): string {
  const west = federation.ports('west')
  const weft = relative(process.cwd(), join(root, 'weft')) === 'weft' ? './weft' : join(root, 'weft')
  return `
Running until Ctrl-C. Data and logs: ${dataDir}

  global   ${federation.globalApi}
  east     ${federation.zoneApi('east')}
  west     ${federation.zoneApi('west')}

Try:
  curl http://127.0.0.1:${west.toOtherZone}/      backend in east, called from west
  curl http://127.0.0.1:${west.toEverywhere}/      backend of both zones, the local one first
  ${weft} --address ${federation.globalApi} inspect zones
  ${weft} --address ${federation.globalApi} inspect dataplanes
  ${weft} --address ${federation.globalApi} get meshtrafficpermission callers -o yaml
`
}
