// The import rules of the repository as a program: levels strictly downward, every edge declared and every declaration used, no deep
// imports, no cycles by construction.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

interface Manifest {
  readonly name: string
  readonly weft?: { readonly level: number }
  readonly exports?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

interface Package {
  readonly dir: string
  readonly manifest: Manifest
  readonly level: number
}

const importPattern =
  /^\s*(?:import|export)\b[^'"]*?from\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm

/** Every violation as one line of text; empty when all imports are allowed. */
export function checkBoundaries(root: string): readonly string[] {
  const packages = loadPackages(root)
  const byName = new Map(packages.map((p) => [p.manifest.name, p]))
  const problems: string[] = []
  for (const pkg of packages) {
    const used = new Set<string>()
    for (const file of sourceFiles(join(pkg.dir, 'src'))) {
      const isTest = /\.(test|bench)\.ts$/.test(file) || file.includes('/testing/')
      for (const specifier of importsOf(readFileSync(file, 'utf8'))) {
        used.add(packageOf(specifier))
        const problem = checkImport({ pkg, file, specifier, isTest, byName })
        if (problem) problems.push(`${relative(root, file)}: ${problem}`)
      }
    }
    for (const name of Object.keys({ ...pkg.manifest.dependencies, ...pkg.manifest.devDependencies })) {
      if (!used.has(name)) problems.push(`${relative(root, pkg.dir)}/package.json: '${name}' is declared and nothing imports it`)
    }
  }
  return problems
}

/** The package a specifier names, without a subpath. */
function packageOf(specifier: string): string {
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
}

interface Edge {
  readonly pkg: Package
  readonly file: string
  readonly specifier: string
  readonly isTest: boolean
  readonly byName: ReadonlyMap<string, Package>
}

function checkImport({ pkg, file, specifier, isTest, byName }: Edge): string | undefined {
  if (specifier.startsWith('node:')) return undefined
  if (specifier.startsWith('.')) {
    const target = resolve(dirname(file), specifier)
    if (!target.startsWith(`${pkg.dir}/`)) return `'${specifier}' leaves the package; import it by name`
    return /\.(ts|json)$/.test(specifier) ? undefined : `'${specifier}' needs its .ts ending`
  }
  const name = packageOf(specifier)
  const declared = pkg.manifest.dependencies?.[name] ?? (isTest ? pkg.manifest.devDependencies?.[name] : undefined)
  if (!declared) return `'${name}' is not declared in package.json`
  const target = byName.get(name)
  if (!target) return undefined
  const subpath = `.${specifier.slice(name.length)}`
  if (!target.manifest.exports?.[subpath]) return `'${specifier}' is not exported by ${name}`
  const isTestSupport = isTest && target.level <= pkg.level
  if (target.level >= pkg.level && !isTestSupport) return `level ${pkg.level} may not import '${name}' of level ${target.level}`
  return undefined
}

/** The workspace's packages and apps with their levels. */
export function loadPackages(root: string): readonly Package[] {
  return ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => {
        const dir = join(root, group, entry.name)
        // the shape is ours: package.json files of this repository
        const manifest = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as Manifest
        if (!manifest.weft) throw new Error(`${dir}/package.json has no weft.level`)
        return { dir, manifest, level: manifest.weft.level }
      }),
  )
}

function importsOf(text: string): string[] {
  return [...text.matchAll(importPattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

/** All TypeScript files below a folder. */
export function sourceFiles(dir: string): readonly string[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}
