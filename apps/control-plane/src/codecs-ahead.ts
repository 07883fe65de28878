// What the first proxy of a zone needs and the zone's way to its global does not: loaded once all is here that global sends, so that it delays
// neither being Online nor the first proxy. Who needs it before loads it then.
import { warmCodecs } from '@weft/envoy'
import type { Component } from '@weft/foundation/lifecycle'
import type { ZoneListing } from './zone-listing.ts'

/** Calls `loaded` once, after. */
export function codecsAhead(listing: Pick<ZoneListing, 'isListed' | 'onChange'>, loaded: () => void): Component {
  let stop = (): void => {}
  const load = (): void => {
    if (!listing.isListed()) return
    stop()
    warmCodecs()
    loaded()
  }
  return {
    name: 'codecs',
    start: async () => {
      stop = listing.onChange(load)
      load()
    },
    stop: async () => stop(),
  }
}
