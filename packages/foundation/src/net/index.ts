// Ports: who is at the other end of a connection, before and after anybody knows, and whether anybody still is.
export { addressOfPeer, clientOf, isLoopback, plainAddress } from './address.ts'
export { closeDrained, type CloseOptions, type DrainingInjector } from './close-drained.ts'
export { freePort, isPortFree } from './free-port.ts'
export { listen, type ListenOptions } from './listen.ts'
export { createSilenceWatch, type HeardConnection, type SilenceWatch } from './silence-watch.ts'
export { createStrangers, peerOf, type Strangers, type StrangersOptions } from './strangers.ts'
