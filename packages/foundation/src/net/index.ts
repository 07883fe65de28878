// Ports: who is at the other end of a connection, before and after anybody knows.
export { addressOfPeer, clientOf, isLoopback, plainAddress } from './address.ts'
export { listen, type ListenOptions } from './listen.ts'
export { createStrangers, peerOf, type Strangers, type StrangersOptions } from './strangers.ts'
