// The program of a graph without its data: what derives from what, how high, how large, how many errors.
import type { GraphNode, NodeKind } from './nodes.ts'

export interface NodeDump {
  readonly name: string
  readonly kind: NodeKind
  /** 0 for sources; else one more than the highest node it depends on. */
  readonly height: number
  readonly from: readonly string[]
  readonly reads: readonly string[]
  readonly size: number
  readonly errors: number
}

export interface GraphDump {
  readonly started: boolean
  readonly commits: number
  readonly nodes: readonly NodeDump[]
}

export function describeNode(node: GraphNode): NodeDump {
  return {
    name: node.name,
    kind: node.kind,
    height: node.height,
    from: node.inputs.map((n) => n.name),
    reads: node.reads.map((n) => n.name),
    size: node.size,
    errors: [...node.errors()].length,
  }
}

/** Solid arrows: derived from. Dotted arrows: read by key. */
export function drawMermaid(dump: GraphDump): string {
  const ids = new Map(dump.nodes.map((node, i) => [node.name, `n${i}`]))
  const lines = ['flowchart LR']
  for (const node of dump.nodes) {
    const id = ids.get(node.name) ?? node.name
    lines.push(
      `  ${id}${node.kind === 'source' ? `[("${node.name}")]` : node.kind === 'index' ? `[/"${node.name}"/]` : `["${node.name}"]`}`,
    )
    for (const from of node.from) lines.push(`  ${ids.get(from) ?? from} --> ${id}`)
    for (const read of node.reads) lines.push(`  ${ids.get(read) ?? read} -.-> ${id}`)
  }
  return `${lines.join('\n')}\n`
}
