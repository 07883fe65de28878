// The resolvers in use: those a user named, else those of the operating system. The file is read again when none of them answers, because a host that
// moved to another network tells so nowhere else.
import { readFileSync } from 'node:fs'
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { parseResolvConf, type Resolver, resolverSet, type ResolverSet } from './resolv-conf.ts'

export interface Resolvers {
  current(): ResolverSet
  /** Reads the file again, unless resolvers were named. */
  reload(): void
}

export interface ResolversOptions {
  /** Empty: those of the file. */
  readonly named: readonly Resolver[]
  /** Our own port, which must not be asked. */
  readonly ownPort: () => number
  readonly file?: string
  readonly log: Logger
}

const systemFile = '/etc/resolv.conf'

/** Reads the file at once. A file that cannot be read is said in the log and stands for none. */
export function createResolvers({ named, ownPort, file = systemFile, log }: ResolversOptions): Resolvers {
  let lastText: string | undefined
  const read = (): ResolverSet => {
    let text = ''
    try {
      text = readFileSync(file, 'utf8')
    } catch (error) {
      if (lastText === undefined)
        log.warn({ component: 'dp.dns', file, err: messageOf(error) }, 'cannot read which resolvers this host has')
    }
    if (lastText !== undefined && text !== lastText) log.info({ component: 'dp.dns', file }, 'resolvers of this host changed')
    lastText = text
    return parseResolvConf(text)
  }
  let set = named.length > 0 ? resolverSet(named) : read()
  return {
    current: () => ({ ...set, resolvers: set.resolvers.filter((resolver) => !(isLoopback(resolver) && resolver.port === ownPort())) }),
    reload: () => {
      if (named.length === 0) set = read()
    },
  }
}

function isLoopback({ address }: Resolver): boolean {
  return address === '127.0.0.1' || address === '::1'
}
