// Cross-origin reading by pages of configured domains (contract/rest-cli-gui.md section 1).

/** Headers for a request from a page at `origin`; undefined when its domain is not allowed. */
export function corsHeaders(origin: string | undefined, allowedDomains: readonly string[]): Readonly<Record<string, string>> | undefined {
  if (origin === undefined || !allowedDomains.some((domain) => isAllowed(origin, domain))) return undefined
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'GET, PUT, POST, DELETE',
    'access-control-allow-headers': 'content-type, accept, authorization',
    'access-control-max-age': '600',
    vary: 'origin',
  }
}

/** A domain is `*`, an origin, a host name, or a pattern in the reference's notation such as `.+\.example\.com`, matched as a whole. */
function isAllowed(origin: string, domain: string): boolean {
  if (domain === '*' || domain === origin) return true
  if (!URL.canParse(origin)) return false
  if (domain === new URL(origin).hostname) return true
  try {
    return new RegExp(`^(?:${domain})$`).test(origin)
  } catch {
    return false
  }
}

/** True for a browser's question whether a request would be allowed. */
export function isPreflight(request: { readonly method: string; readonly headers: Readonly<Record<string, unknown>> }): boolean {
  return request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined
}
