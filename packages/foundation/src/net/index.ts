// Connections of a port before anybody knows who is at the other end.
export { listen, type ListenOptions } from './listen.ts'
export { createStrangers, peerOf, type Strangers, type StrangersOptions } from './strangers.ts'
