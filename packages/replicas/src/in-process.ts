// The replicas of a control plane that is one process: nobody to tell, nobody to ask.
import { AppError } from '@weft/foundation/errors'
import type { Announcer, Presence, RequestPath } from './contract.ts'
import { createTopics } from './topics.ts'

const ignored = (): void => {}

export interface Alone {
  readonly announcer: Announcer
  readonly presence: Presence
  readonly path: RequestPath
}

/** Always up, and always alone. */
export function createAlone(): Alone {
  const { serve } = createTopics()
  return {
    announcer: { isUp: true, announce: ignored, onAnnounced: () => ignored, onUp: () => ignored },
    presence: {
      isUp: true,
      members: () => [],
      onMissing: () => ignored,
      onJoined: () => ignored,
      hold: () => ignored,
      holder: async () => undefined,
    },
    path: {
      isUp: true,
      ask: async (instanceId) => {
        throw new AppError('replicas/unreachable', `replica ${instanceId} is not known: this control plane is one process`)
      },
      serve,
    },
  }
}
