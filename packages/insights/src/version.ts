// Compatibility of versions, as shown in overviews; nothing enforces it (contract/rest-cli-gui.md section 10.3).

const pattern = /^v?(\d+)\.(\d+)\.(\d+)/

/** True for versions of the same major whose minors differ by two at most, and for anything that is no plain version or a preview. */
export function areCompatible(a: string, b: string): boolean {
  if (a.includes('preview') || b.includes('preview')) return true
  const left = pattern.exec(a)
  const right = pattern.exec(b)
  if (!left || !right) return true
  return left[1] === right[1] && Math.abs(Number(left[2]) - Number(right[2])) <= 2
}
