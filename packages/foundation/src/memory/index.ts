// What this process holds of the machine's memory.
export { type HeapEngine, type HeapSize, ownHeap } from './heap-engine.ts'
export { createHeapTrim, type HeapTrimOptions, quietMs } from './heap-trim.ts'
