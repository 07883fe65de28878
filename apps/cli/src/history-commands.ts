// The commands of the history: history, diff, rollback, audit verify.
import { type Command, InvalidArgumentError, type Option } from 'commander'
import { AppError } from '@weft/foundation/errors'
import type { Connection } from './connection.ts'
import { rollBack, showDiff, showHistory, verifyAudit } from './history.ts'
import { asFormat } from './output.ts'

export interface CommandParts {
  connection(): Connection
  print(text: string): void
  /** The options that commands share. */
  mesh(): Option
  output(): Option
}

/** Adds them to the program. */
export function addHistoryCommands(program: Command, { connection, print, mesh, output }: CommandParts): void {
  program
    .command('history')
    .description('Who changed what and when, newest first: everything, a type, or one resource.')
    .argument('[type]', 'such as meshtimeout')
    .argument('[name]')
    .option('-m, --mesh <name>', 'only of this mesh; of one resource "default" when not given')
    .option('--actor <prefix>', 'only of whom this starts, such as user: or zone:east')
    .option('--limit <n>', 'how many', wholeNumber, 50)
    .addOption(output())
    .addHelpText('after', '\nExamples:\n  weft history\n  weft history meshtimeout slow\n  weft history --actor user: --limit 200 -o json')
    .action(async (type: string | undefined, name: string | undefined, { mesh: of, actor, limit, ...options }: HistoryArguments) => {
      const target = { type, name, mesh: of ?? (name === undefined ? undefined : 'default') }
      await showHistory(connection(), { target, actor, limit, format: asFormat(options.output) }, print)
    })
  program
    .command('diff')
    .description('What changed in a resource: by its last change, or between any two points.')
    .argument('<type>')
    .argument('<name>')
    .addOption(mesh())
    .option('--from <seq|time>', 'before the last change by default')
    .option('--to <seq|time>', 'now by default')
    .addOption(output())
    .addHelpText(
      'after',
      '\nExamples:\n  weft diff meshtimeout slow\n  weft diff meshtimeout slow --from 120 --to 180\n  weft diff mesh default --from 2026-01-31T12:00:00Z',
    )
    .action(async (type: string, name: string, options: { mesh: string; from?: string; to?: string; output: string }) =>
      showDiff(
        connection(),
        { target: { type, name, mesh: options.mesh }, from: options.from, to: options.to, format: asFormat(options.output) },
        print,
      ),
    )
  program
    .command('rollback')
    .description('Make a resource what it was, or everything that people changed in a mesh. Prints the change set.')
    .argument('[type]')
    .argument('[name]')
    .option('-m, --mesh <name>', 'mesh of the resource ("default" when not given), or the mesh to roll back')
    .requiredOption('--to <seq|time>', 'as it was after this change, or at this time')
    .option('--dry-run', 'only print the change set', false)
    .addOption(output())
    .addHelpText(
      'after',
      '\nExamples:\n  weft rollback meshtimeout slow --to 120\n  weft rollback --mesh default --to 2026-01-31T12:00:00Z --dry-run',
    )
    .action(async (type: string | undefined, name: string | undefined, { mesh: of, to, dryRun, ...options }: RollbackArguments) => {
      if ((type === undefined) !== (name === undefined))
        throw new AppError('cli/usage', 'name a resource with type and name, or a mesh with --mesh')
      if (type === undefined && of === undefined) throw new AppError('cli/usage', 'say what: a type and a name, or --mesh')
      const target = { type, name, mesh: of ?? 'default' }
      await rollBack(connection(), { target, to, dryRun, format: asFormat(options.output) }, print)
    })
  program
    .command('backup')
    .description('Save the state of a control plane into a file, for weft restore. Secrets in it are sealed with its key.')
    .requiredOption('-f, --file <path>', 'where to')
    .option('--with-key', 'put the key into it: whoever has the file has its secrets', false)
    .addHelpText(
      'after',
      '\nExamples:\n  weft backup -f global.backup\n  weft --address http://zone-1:5681 backup -f zone-1.backup --with-key',
    )
    .action(async ({ file, withKey }: { file: string; withKey: boolean }) => {
      const bytes = await connection().download(`/_weft/backup${withKey ? '?key=true' : ''}`, file)
      print(`${file}: ${bytes} bytes${withKey ? ', with the key to its secrets' : ''}`)
    })
  const audit = program.command('audit').description('The record of changes.')
  audit
    .command('verify')
    .description('Check that no entry of the history is missing or altered.')
    .option('--head <seq:hash>', 'also check that this entry, printed by an earlier run, is still in it')
    .addOption(output())
    .addHelpText(
      'after',
      '\nKeep the head that it prints outside of the control plane: with it, nobody can shorten or rewrite what was before.',
    )
    .action(async (options: { head?: string; output: string }) =>
      verifyAudit(connection(), { head: options.head, format: asFormat(options.output) }, print),
    )
}

function wholeNumber(value: string): number {
  if (!/^[1-9]\d{0,8}$/.test(value)) throw new InvalidArgumentError('must be a positive number')
  return Number(value)
}

interface HistoryArguments {
  readonly mesh?: string
  readonly actor?: string
  readonly limit: number
  readonly output: string
}

interface RollbackArguments {
  readonly mesh?: string
  readonly to: string
  readonly dryRun: boolean
  readonly output: string
}
