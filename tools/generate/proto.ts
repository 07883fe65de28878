// Prunes Envoy's descriptor set and writes the TypeScript types of all messages; the work is done beside the code that reads them.
export { generateProto } from '../../packages/proto/src/generate/index.ts'
