// Reads one setting from text (environment, flags) or from a YAML value. Messages never repeat a secret.
import { AppError } from '../errors/index.ts'
import { parseDuration } from '../time/index.ts'
import type { Setting } from './setting.ts'

const yes: ReadonlySet<unknown> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True', true])
const no: ReadonlySet<unknown> = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False', false])

/**
 * The value inside. `from` names the place (`store.type in weft.yaml`, `KUMA_STORE_TYPE`). Throws `config/invalid` naming it. Texts of
 * the environment and values of a file are read alike: a number in quotes is a number.
 */
export function readSetting(setting: Setting, value: unknown, from: string): unknown {
  const wrong = (wanted: string): AppError => {
    const shown = setting.secret === true ? '' : `, not ${JSON.stringify(value)}`
    return new AppError('config/invalid', `${from} must be ${wanted}${shown}`)
  }
  switch (setting.type) {
    case 'string': {
      const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value
      if (typeof text !== 'string') throw wrong('text')
      if (setting.enum !== undefined && !setting.enum.includes(text)) throw wrong(`one of ${setting.enum.join(', ')}`)
      return text
    }
    case 'boolean':
      if (yes.has(value)) return true
      if (no.has(value)) return false
      throw wrong('true or false')
    case 'integer': {
      const number = typeof value === 'string' && /^[+-]?\d{1,15}$/.test(value.trim()) ? Number(value) : value
      const low = setting.minimum ?? Number.MIN_SAFE_INTEGER
      const high = setting.maximum ?? Number.MAX_SAFE_INTEGER
      if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < low || number > high) throw wrong(wholeNumber(setting))
      return number
    }
    case 'duration': {
      const text = value === 0 ? '0' : value
      const ms = typeof text === 'string' ? parseDuration(text.trim()) : undefined
      if (ms === undefined || ms < 0) throw wrong('a duration such as 10s, 1m30s or 500ms')
      return ms
    }
    case 'list': {
      if (typeof value === 'string')
        return value
          .split(',')
          .map((item) => item.trim())
          .filter((item) => item !== '')
      if (!Array.isArray(value)) throw wrong('a list of texts')
      return value.map((item: unknown) => {
        if (typeof item === 'string') return item
        if (typeof item === 'number') return String(item)
        throw wrong('a list of texts')
      })
    }
    case 'any':
      return value
  }
}

function wholeNumber(setting: { readonly minimum?: number; readonly maximum?: number }): string {
  const { minimum, maximum } = setting
  if (minimum !== undefined && maximum !== undefined) return `a whole number from ${minimum} to ${maximum}`
  return minimum === undefined ? 'a whole number' : `a whole number of at least ${minimum}`
}
