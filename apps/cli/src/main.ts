// `weft`: the operator's command line. A REST client; nouns come from the control plane's own resource catalogue.
import { Command, Option } from 'commander'
import { AppError, messageOf } from '@weft/foundation/errors'
import { apply } from './apply.ts'
import type { CertificateRequest } from './certificate.ts'
import { connect, type Connection } from './connection.ts'
import { remove } from './delete.ts'
import { explainDataplane } from './explain.ts'
import { generateToken } from './generate.ts'
import { get } from './get.ts'
import { addHistoryCommands } from './history-commands.ts'
import { inspectDataplanes, inspectZones } from './inspect.ts'
import { asFormat } from './output.ts'
import { endRecovery, recoveryStatus } from './recovery.ts'
import { applyTrust, approveTrust, exportTrust, trustStatus } from './trust.ts'
import { inspectReachability } from './reachability.ts'
import { decideHeld, syncHeld, syncQuarantine } from './sync-repair.ts'
import { type ChangeQuery, syncChanges } from './sync-changes.ts'
import { adopt } from './adopt.ts'
import { rejoin, syncStatus } from './sync.ts'

const program = new Command('weft')
  .description('Multi-zone control plane for Envoy meshes.')
  .addOption(new Option('--address <url>', 'REST address of the control plane').env('WEFT_ADDRESS').default('http://localhost:5681'))
  .addOption(new Option('--token <token>', 'user token; not needed from localhost by default').env('WEFT_TOKEN'))
  .addOption(new Option('--ca-cert-file <file>', 'PEM file that verifies an https address').env('WEFT_CA_CERT_FILE'))
  .showHelpAfterError('(weft --help shows the commands)')
  .addHelpText(
    'after',
    `
Processes:
  weft cp run        run a control plane (KUMA_MODE=global or zone)
  weft dp run        run an Envoy proxy for a zone
  weft demo          global, two zones, real Envoys and services on this machine

Examples:
  weft apply -f mesh.yaml
  weft get meshtimeouts -m default -o yaml
  weft inspect zones
  weft explain dataplane web-1 --to backend
  weft sync status
  weft history meshtimeout slow
  weft generate dataplane-token --mesh default --workload backend --valid-for 24h

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 not found.`,
  )

const output = (): Option => new Option('-o, --output <format>', 'table, json or yaml').choices(['table', 'json', 'yaml']).default('table')
const mesh = (): Option => new Option('-m, --mesh <name>', 'mesh of the resource').default('default')

function connection(): Connection {
  const options: { readonly address: string; readonly token?: string; readonly caCertFile?: string } = program.opts()
  return connect({ ...options, warn: (text) => warn(`Warning: ${text}`) })
}

const print = (text: string): void => void process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
const warn = (text: string): void => void process.stderr.write(`${text}\n`)

program
  .command('apply')
  .description('Create or update resources from YAML or JSON.')
  .requiredOption('-f, --file <path>', 'file, folder (its *.yaml, *.yml and *.json, sorted) or "-" for standard input')
  .option('-v, --var <name=value...>', 'values for {{ name }} in the documents', [])
  .option('--dry-run', 'print the resources as they would be sent', false)
  .option('--strict', 'refuse resources with fields that the control plane does not know', false)
  .addHelpText('after', '\nExamples:\n  weft apply -f policies/\n  cat mesh.yaml | weft apply -f -\n  weft apply -f dp.yaml -v name=web-1')
  .action(async (options: { file: string; var: string[]; dryRun: boolean; strict: boolean }) =>
    apply(connection(), options, { print, warn }),
  )

program
  .command('get')
  .description('Show resources of a type, or one by name.')
  .argument('<type>', 'type, plural path or short name: MeshTimeout, meshtimeouts, mt')
  .argument('[name]')
  .addOption(mesh())
  .option('-A, --all-meshes', 'of all meshes', false)
  .addOption(output())
  .addHelpText('after', '\nExamples:\n  weft get meshes\n  weft get meshservices -A\n  weft get dp web-1 -o yaml')
  .action(async (type: string, name: string | undefined, options: { mesh: string; allMeshes: boolean; output: string }) =>
    get(connection(), { type, name, mesh: options.mesh, allMeshes: options.allMeshes, format: asFormat(options.output) }, print),
  )

program
  .command('delete')
  .description('Delete one resource.')
  .argument('<type>')
  .argument('<name>')
  .addOption(mesh())
  .addHelpText('after', '\nExample:\n  weft delete meshtimeout slow -m default')
  .action(async (type: string, name: string, options: { mesh: string }) => remove(connection(), { type, name, mesh: options.mesh }, print))

const inspect = program.command('inspect').description('Show how zones and proxies are doing.')
inspect
  .command('zones')
  .description('Zones with their connection to this global control plane.')
  .addOption(output())
  .action(async (options: { output: string }) => inspectZones(connection(), asFormat(options.output), print))
inspect
  .command('reachability')
  .description('Which zone reaches the ingresses of which: the matrix at global, its own row at a zone.')
  .addOption(output())
  .addHelpText('after', '\nExamples:\n  weft inspect reachability\n  weft --address http://zone-1:5681 inspect reachability -o json')
  .action(async (options: { output: string }) => inspectReachability(connection(), asFormat(options.output), print))
inspect
  .command('dataplanes')
  .description('Dataplanes of a mesh with their connection, certificate and configuration state.')
  .addOption(mesh())
  .option('-A, --all-meshes', 'of all meshes', false)
  .addOption(output())
  .action(async (options: { mesh: string; allMeshes: boolean; output: string }) =>
    inspectDataplanes(connection(), { mesh: options.allMeshes ? undefined : options.mesh, format: asFormat(options.output) }, print),
  )

const explain = program.command('explain').description('Show why something is configured as it is.')
explain
  .command('dataplane')
  .description('Which policies a dataplane has and why, who set each field, and for a destination its endpoints and who may call.')
  .argument('<name>', 'name of the dataplane, as stored here or as in its zone')
  .addOption(mesh())
  .option('--policy <kind>', 'one policy kind only')
  .option('--to <service>', 'explain calls to this destination: name, host name or identifier, with :port or without')
  .option('--at <zone>', 'zone of the dataplane, where several have one of that name')
  .addOption(output())
  .addHelpText(
    'after',
    '\nExamples:\n  weft explain dataplane web-1\n  weft explain dataplane web-1 --policy meshtimeout --to backend:80\n  weft explain dataplane web-1 --at east --to backend -o json',
  )
  .action(async (name: string, options: { mesh: string; policy?: string; to?: string; at?: string; output: string }) =>
    explainDataplane(connection(), { ...options, name, format: asFormat(options.output) }, print),
  )

program
  .command('translate')
  .description('Show what a zone would make of files, without a control plane.')
  .requiredOption('-f, --file <path>', 'file, folder (its *.yaml, *.yml and *.json, sorted) or "-" for standard input')
  .option('--zone <name>', 'the zone to be', 'default')
  .option('--show <view>', 'summary, resources, rules, facts, envoy, graph, or node:NAME for one node of the graph', 'summary')
  .option('--dataplane <name>', 'one dataplane; all of the zone when absent')
  .addOption(output())
  .addHelpText(
    'after',
    '\nExamples:\n  weft translate -f mesh/\n  weft translate -f mesh/ --dataplane web-1 --show envoy -o json\n  weft translate -f mesh/ --show node:loadAssignments',
  )
  .action(async (options: { file: string; zone: string; show: string; dataplane?: string; output: string }) => {
    // loaded when asked for: it brings the whole product, which the other commands do without
    const { translate } = await import('./translate.ts')
    await translate({ ...options, format: asFormat(options.output) }, { print, warn })
  })

const generate = program.command('generate').description('Make tokens and certificates.')
const validFor = (): Option => new Option('--valid-for <duration>', 'for example 24h').makeOptionMandatory()
generate
  .command('dataplane-token')
  .description('Token that lets a proxy connect to its zone.')
  .addOption(mesh())
  .option('--name <name>', 'only for this dataplane')
  .option('--workload <name>', 'only for dataplanes with this kuma.io/workload')
  .option('--tag <key=value...>', 'only for dataplanes with these labels', [])
  .addOption(validFor())
  .addHelpText('after', '\nExample:\n  weft generate dataplane-token -m default --workload backend --valid-for 24h > token')
  .action(async (options: { mesh: string; name?: string; workload?: string; tag: string[]; validFor: string }) => {
    const tags: Record<string, string[]> = Object.create(null)
    for (const pair of options.tag) {
      const at = pair.indexOf('=')
      if (at < 1) throw new AppError('cli/usage', `--tag ${pair}: write key=value`)
      ;(tags[pair.slice(0, at)] ??= []).push(pair.slice(at + 1))
    }
    const body = {
      mesh: options.mesh,
      name: options.name ?? '',
      workload: options.workload ?? '',
      tags,
      type: 'dataplane',
      validFor: options.validFor,
    }
    await generateToken(connection(), 'dataplane', body, print)
  })
generate
  .command('zone-token')
  .description('Token that lets a zone control plane join.')
  .requiredOption('--zone <name>')
  .option('--scope <scope...>', 'what the token may be used for', ['cp'])
  .addOption(validFor())
  .action(async (options: { zone: string; scope: string[]; validFor: string }) => generateToken(connection(), 'zone', options, print))
generate
  .command('user-token')
  .description('Token for people and programs that use the REST API.')
  .requiredOption('--name <name>')
  .option('--group <group...>', 'groups of the user', [])
  .addOption(validFor())
  .action(async (options: { name: string; group: string[]; validFor: string }) =>
    generateToken(connection(), 'user', { name: options.name, groups: options.group, validFor: options.validFor }, print),
  )
generate
  .command('tls-certificate')
  .description(
    'Self-signed certificate and key, made here: for the ports of a control plane, or for a zone that shows one instead of a token.',
  )
  .option('--type <type>', 'server or client', 'server')
  .requiredOption('--hostname <name...>', 'names and addresses it stands for; for a client, the name of the zone')
  .option('--cert-file <file>', 'where the certificate goes', 'cert.pem')
  .option('--key-file <file>', 'where the key goes', 'key.pem')
  .addHelpText(
    'after',
    '\nExamples:\n  weft generate tls-certificate --hostname global.example 10.0.0.5 --cert-file global.pem --key-file global.key\n  weft generate tls-certificate --type client --hostname east',
  )
  .action(async (options: CertificateRequest) => {
    // loaded when asked for: no other command makes certificates
    const { generateCertificate } = await import('./certificate.ts')
    await generateCertificate(options, print)
  })

const sync = program.command('sync').description('Sync between a global control plane and its zones.')
sync
  .command('status')
  .description('Sessions, how far each direction is, the last error and counters: of every zone at global, of its global at a zone.')
  .argument('[zone]', 'at global: one zone, with its counters of every type')
  .addOption(output())
  .addHelpText('after', '\nExamples:\n  weft sync status\n  weft sync status east\n  weft --address http://zone-1:5681 sync status -o yaml')
  .action(async (zone: string | undefined, options: { output: string }) =>
    syncStatus(connection(), { zone, format: asFormat(options.output) }, print),
  )
sync
  .command('changes')
  .description('The last changes, and how far each has come in every zone: stored, sent to the last proxy, answered by the last proxy.')
  .option('--limit <number>', 'so many of the newest', '20')
  .option('--type <type>', 'such as MeshTimeout')
  .option('-m, --mesh <name>')
  .option('--name <name>')
  .addOption(output())
  .addHelpText('after', '\nExamples:\n  weft sync changes\n  weft sync changes --type MeshTimeout --name slow -o json')
  .action(async ({ output: format, ...query }: ChangeQuery & { output: string }) =>
    syncChanges(connection(), { query, format: asFormat(format) }, print),
  )
sync
  .command('quarantine')
  .description('Resources that one end of sync cannot accept, with the reason. All others flow.')
  .addOption(output())
  .action(async (options: { output: string }) => syncQuarantine(connection(), asFormat(options.output), print))
sync
  .command('held')
  .description('Deletions of a peer that wait for a word, because they are many or its store is a new one. The resources stay in use.')
  .addOption(output())
  .action(async (options: { output: string }) => syncHeld(connection(), asFormat(options.output), print))
for (const [verb, description] of [
  ['approve', 'Delete what is held.'],
  ['reject', 'Keep what is held, until its origin lists it again.'],
] as const) {
  sync
    .command(verb)
    .description(description)
    .option('--origin <name>', 'of this zone, or "global"')
    .option('--type <type>', 'such as MeshService')
    .option('-m, --mesh <name>')
    .option('--name <name>')
    .option('--all', 'everything that is held', false)
    .addHelpText('after', `\nExample:\n  weft sync ${verb} --origin east --type MeshService`)
    .action(async ({ all, ...which }: { all: boolean; origin?: string; type?: string; mesh?: string; name?: string }) =>
      decideHeld(connection(), { verb, which, all }, print),
    )
}

sync
  .command('rejoin')
  .description('At a zone whose place another process took: take it back. The other one stands back.')
  .addHelpText('after', '\nExample:\n  weft --address http://zone-1:5681 sync rejoin')
  .action(async () => rejoin(connection(), print))

sync
  .command('adopt')
  .description('At a zone that finds another global than its own: show what that means, and with --yes belong to it from now on.')
  .option('--cluster-id <id>', 'only this global, whatever answers meanwhile')
  .option('--yes', 'adopt it; without this nothing is changed', false)
  .addOption(output())
  .addHelpText(
    'after',
    '\nExamples:\n  weft --address http://zone-1:5681 sync adopt\n  weft --address http://zone-1:5681 sync adopt --cluster-id 5c3f0e8a-1b1c-4c38-9d7f-1f3c8f1c9a52 --yes',
  )
  .action(async (options: { clusterId?: string; yes: boolean; output: string }) =>
    adopt(connection(), { clusterId: options.clusterId, isMeant: options.yes, format: asFormat(options.output) }, print),
  )

const trust = program.command('trust').description('Trust domains of zones, and who may vouch for them.')
trust
  .command('status')
  .description('Every MeshTrust with its zone, whether it reaches the other zones, and when its first root expires.')
  .addOption(mesh())
  .option('-A, --all-meshes', 'of all meshes', false)
  .addOption(output())
  .action(async (options: { mesh: string; allMeshes: boolean; output: string }) =>
    trustStatus(connection(), { mesh: options.allMeshes ? undefined : options.mesh, format: asFormat(options.output) }, print),
  )
trust
  .command('approve')
  .description("At global: let zones speak for a trust domain that is not one zone's alone.")
  .argument('<trust-domain>')
  .addOption(mesh())
  .option('--zone <name...>', 'only these zones; without it every zone that has the domain now')
  .option('--revoke', 'take the approval back', false)
  .addHelpText('after', '\nExample:\n  weft trust approve prod.example.com --zone east west')
  .action(async (trustDomain: string, options: { mesh: string; zone?: string[]; revoke: boolean }) =>
    approveTrust(connection(), { mesh: options.mesh, trustDomain, zones: options.zone, revoke: options.revoke }, print),
  )
trust
  .command('export')
  .description('Print the trust of the zone at --address, for "weft trust apply" elsewhere.')
  .addOption(mesh())
  .option('-A, --all-meshes', 'of all meshes', false)
  .addHelpText(
    'after',
    '\nUnder a global that shares no trust:\n  weft --address http://zone-1:5681 trust export | weft --address http://global:5681 trust apply',
  )
  .action(async (options: { mesh: string; allMeshes: boolean }) =>
    exportTrust(connection(), options.allMeshes ? undefined : options.mesh, print),
  )
trust
  .command('apply')
  .description('Put exported trust into the zone at --address, or into a global for all its zones.')
  .option('-f, --file <path>', 'file, folder or "-" for standard input', '-')
  .action(async (options: { file: string }) => applyTrust(connection(), options.file, print))
addHistoryCommands(program, { connection, print, mesh, output })
const recovery = program.command('recovery').description('Recovery of a zone that started without its former state.')
recovery
  .command('status')
  .description('What proxies keep, and what the zone waits for before it removes leftovers.')
  .addOption(output())
  .action(async (options: { output: string }) => recoveryStatus(connection(), asFormat(options.output), print))
recovery
  .command('end')
  .description('End it now: what is not known to be back is removed from proxies.')
  .addHelpText('after', '\nExample:\n  weft --address http://zone-1:5681 recovery end')
  .action(async () => endRecovery(connection(), print))

program
  .command('version')
  .description('Version of the control plane at --address.')
  .action(async () => {
    const index = await connection().json('GET', '/')
    print(JSON.stringify(index, undefined, 2))
  })

// a reader that has seen enough (weft get ... | head) is no error
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

if (process.argv.length <= 2) program.outputHelp()
else {
  try {
    const override = (command: Command): void => {
      command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
      command.commands.forEach(override)
    }
    override(program)
    await program.parseAsync(process.argv)
  } catch (error) {
    warn(`Error: ${messageOf(error)}`)
    if (error instanceof AppError)
      for (const violation of error.violations) warn(`  ${violation.field || '(resource)'}: ${violation.message}`)
    process.exitCode = exitCode(error)
  }
}

function exitCode(error: unknown): number {
  if (!(error instanceof AppError)) return 1
  if (error.code === 'cli/usage') return 2
  return error.code === 'api/not-found' ? 3 : 1
}
