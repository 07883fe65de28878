// Takes credentials out of what Envoy's admin API returns before anyone sees it.

/** A JSON member `authorization`, or the `value` beside a `key` of that name, whatever the spacing. Linear: no part can match twice. */
const headerValue = /("key"\s*:\s*"authorization"\s*,\s*"value"\s*:\s*")(?:[^"\\]|\\.)*"/gi
const rawHeaderValue = /("key"\s*:\s*"authorization"\s*,\s*"raw_?value"\s*:\s*")(?:[^"\\]|\\.)*"/gi
const member = /("authorization"\s*:\s*")(?:[^"\\]|\\.)*"/gi

/** The text of a configuration dump with every `authorization` value replaced by `[redacted]` (contract/dataplane.md section 14.3). */
export function redactAuthorization(text: string): string {
  return [headerValue, rawHeaderValue, member].reduce((rest, pattern) => rest.replace(pattern, '$1[redacted]"'), text)
}
