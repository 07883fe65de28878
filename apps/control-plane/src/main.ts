// `weft cp run`: one program, global or zone by configuration.
import { flushCompileCache } from 'node:module'
import { Command } from 'commander'
import { AppError, messageOf } from '@weft/foundation/errors'
import { type Component, createSupervisor } from '@weft/foundation/lifecycle'
import { createLogging, type Logger } from '@weft/foundation/log'
import { createHeapTrim, ownHeap } from '@weft/foundation/memory'
import { createSharedParts } from './shared-parts.ts'
import { type ControlPlaneConfig, isFederated, loadControlPlaneConfig, publicConfig } from './config.ts'
import { globalComponents } from './global-role.ts'
import { importFromKuma } from './import.ts'
import { productVersion } from './process-identity.ts'
import { restore } from './restore.ts'
import { migrate, showMigrations } from './migrate.ts'
import { type ZoneLink, zoneComponents } from './zone-role.ts'

interface RunOptions {
  readonly configFile?: string
  readonly printConfig: boolean
  readonly logLevel?: string
  readonly adopt?: string
}

interface RestoreArguments {
  readonly configFile?: string
  readonly key?: string
  readonly yes: boolean
  readonly output: string
}

interface ImportArguments {
  readonly configFile?: string
  readonly fromKumaPostgres: string
  readonly yes: boolean
  readonly output: string
}

const program = new Command('weft cp')
  .description('Runs a control plane: KUMA_MODE=global, or a zone.')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
program
  .command('run')
  .description('Start the control plane. Settings come from KUMA_* variables and the YAML file.')
  .option('-c, --config-file <file>', 'YAML configuration')
  .option('--print-config', 'print the effective configuration and exit', false)
  .option('--log-level <level>', 'off, error, warn, info, debug or trace')
  .option('--adopt <cluster-id>', 'zone: belong to this global from now on although it belonged to another')
  .addHelpText(
    'after',
    '\nExamples:\n  KUMA_MODE=global weft cp run\n  KUMA_MULTIZONE_ZONE_NAME=east KUMA_MULTIZONE_ZONE_GLOBAL_ADDRESS=grpcs://global:5685 weft cp run\n  weft cp run -c cp.yaml',
  )
  .action(run)
program
  .command('restore')
  .description(
    'Show what a backup would change in the store of this stopped control plane, and what its peers would be told; --yes writes it.',
  )
  .argument('<file>', 'made by weft backup')
  .option('-c, --config-file <file>', 'YAML configuration, as for run')
  .option('--key <file>', 'opens the secrets of the backup; history.key of the store by default')
  .option('--yes', 'write it', false)
  .option('-o, --output <format>', 'table or json', 'table')
  .addHelpText(
    'after',
    '\nSettings come from the same variables as for run.\n\nExamples:\n  KUMA_MODE=global weft restore global.backup\n  KUMA_MODE=global weft restore global.backup --yes',
  )
  .action(async (file: string, options: RestoreArguments) => {
    const { key: keyFile, yes, output } = options
    await restore(configFrom(options), { file, keyFile, yes, json: output === 'json' }, printLine)
  })
const migrations = program
  .command('migrate')
  .description('The schema of a PostgreSQL store (KUMA_STORE_TYPE=postgres).')
  .addHelpText('after', '\nSettings come from the same variables as for run.')
migrations
  .command('up')
  .description('Bring the schema up to date: before the first start, and after an upgrade of this program.')
  .option('-c, --config-file <file>', 'YAML configuration, as for run')
  .action((options: { readonly configFile?: string }) => migrate(configFrom(options), printLine))
migrations
  .command('status')
  .description('Show the version and what is missing; exit code 1 unless it is up to date.')
  .option('-c, --config-file <file>', 'YAML configuration, as for run')
  .action(async (options: { readonly configFile?: string }) => {
    if (!(await showMigrations(configFrom(options), printLine))) process.exitCode = 1
  })
program
  .command('import')
  .description(
    'Show what the database of a stock control plane would bring into the store of this stopped one; --yes writes it. Only reads there.',
  )
  .requiredOption('--from-kuma-postgres <dsn>', 'postgres://user:password@host:port/database')
  .option('-c, --config-file <file>', 'YAML configuration, as for run')
  .option('--yes', 'write it', false)
  .option('-o, --output <format>', 'table or json', 'table')
  .addHelpText('after', '\nExample:\n  KUMA_MODE=global weft import --from-kuma-postgres postgres://kuma:secret@db:5432/kuma')
  .action(async (options: ImportArguments) => {
    const { fromKumaPostgres: from, yes, output } = options
    await importFromKuma(configFrom(options), { from, yes, json: output === 'json' }, printLine)
  })
program
  .command('version')
  .description('Print the version.')
  .action(() => void process.stdout.write(`Weft ${productVersion}\n`))

/** Small buffers are cut from slabs of this size, and one that is kept keeps its slab. The runtime's are of 64 KiB. */
const bufferSlabBytes = 8192

function configFrom({ configFile }: { readonly configFile?: string }): ControlPlaneConfig {
  return loadControlPlaneConfig({ env: process.env, ...(configFile === undefined ? {} : { file: configFile }) }).config
}

function printLine(text: string): void {
  process.stdout.write(`${text}\n`)
}

async function run(options: RunOptions): Promise<void> {
  Buffer.poolSize = bufferSlabBytes
  const { config, warnings, withoutEffect } = loadControlPlaneConfig({
    env: process.env,
    ...(options.configFile === undefined ? {} : { file: options.configFile }),
    flags: { 'weft.logLevel': options.logLevel, 'weft.adopt': options.adopt },
  })
  if (options.printConfig) {
    for (const warning of warnings) process.stderr.write(`weft cp: ${warning}\n`)
    process.stdout.write(`${JSON.stringify(publicConfig(config), undefined, 2)}\n`)
    return
  }
  const { log, levels } = createLogging({ level: config.weft.logLevel })
  for (const warning of warnings) log.warn({ component: 'config' }, warning)
  if (withoutEffect.length > 0) log.debug({ component: 'config', keys: withoutEffect }, 'settings accepted without effect')

  let supervisor: ReturnType<typeof createSupervisor> | undefined
  const unready = (): readonly string[] => supervisor?.unready() ?? ['start']
  const link: ZoneLink = { client: undefined, isListed: () => !isFederated(config), onWarm: flushCompileCache }
  const keysComplete = (): boolean => link.isListed()
  stopOnSignals(() => supervisor?.stop() ?? Promise.resolve(), log)
  const parts = await createSharedParts(config, { log, logLevels: levels, keysComplete, unready })
  const components: readonly Component[] = config.mode === 'global' ? await globalComponents(parts) : await zoneComponents(parts, link)
  supervisor = createSupervisor([...components, createHeapTrim({ clock: parts.clock, log, heap: ownHeap() })], log)
  outliveEscapes(log)
  await supervisor.start()
  log.info(
    {
      component: 'cp',
      mode: config.mode,
      zone: config.mode === 'zone' ? config.multizone.zone.name : undefined,
      store: config.store.type,
      ms: Math.round(performance.now()),
    },
    'control plane runs',
  )
  // what was compiled until here is what the next process needs; by itself Node writes it only when this one ends well, and only once. A zone
  // goes on with what its first proxy needs
  if (config.mode === 'global') flushCompileCache()
}

function stopOnSignals(stopAll: () => Promise<void>, log: Logger): void {
  let isStopping = false
  const stop = (signal: string): void => {
    if (isStopping) process.exit(1)
    isStopping = true
    log.info({ component: 'cp', reason: signal }, 'stopping')
    stopAll().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal))
}

function outliveEscapes(log: Logger): void {
  // no message from outside may end the process: what escapes every boundary is a bug to be seen, not a reason to drop all streams
  process.on('unhandledRejection', (error) =>
    log.error({ component: 'cp', err: messageOf(error), stack: error instanceof Error ? error.stack : undefined }, 'unhandled rejection'),
  )
  process.on('uncaughtException', (error) =>
    log.error({ component: 'cp', err: messageOf(error), stack: error.stack }, 'uncaught exception'),
  )
}

if (process.argv.length <= 2) program.outputHelp()
else {
  try {
    await program.parseAsync(process.argv)
  } catch (error) {
    process.stderr.write(`weft cp: ${messageOf(error)}\n`)
    process.exit(error instanceof AppError && error.code.startsWith('config/') ? 2 : 1)
  }
}
