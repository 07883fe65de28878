// What presence does in Redis in one step each. All keys of a store have its id as hash tag.

/** Keys of one store. */
export interface PresenceKeys {
  readonly members: string
  readonly memberPrefix: string
  readonly holderPrefix: string
}

export function presenceKeys(storeId: string): PresenceKeys {
  const prefix = `weft:{${storeId}}:`
  return { members: `${prefix}members`, memberPrefix: `${prefix}member:`, holderPrefix: `${prefix}holder:` }
}

/**
 * Keeps a member alive. KEYS: its key, the set of members. ARGV: instance id, what it says of itself, ms that it stays, prefix of the keys of
 * members. Answers whether its key was still there, then what the others say of themselves; ids without a key leave the set.
 */
export const beatScript = `
local was = redis.call('EXISTS', KEYS[1])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[1])
local answer = { was }
for _, id in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  if id ~= ARGV[1] then
    local said = redis.call('GET', ARGV[4] .. id)
    if said then answer[#answer + 1] = said else redis.call('SREM', KEYS[2], id) end
  end
end
return answer`

/** Ends a member. KEYS: its key, the set of members. ARGV: instance id. */
export const leaveScript = `
redis.call('DEL', KEYS[1])
return redis.call('SREM', KEYS[2], ARGV[1])`

/** Gives up holdings that are still its own. KEYS: their keys. ARGV: instance id. */
export const releaseScript = `
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
return 1`

/** The holder, unless it is no member any more. KEYS: the key of the holding. ARGV: prefix of the keys of members. */
export const holderScript = `
local id = redis.call('GET', KEYS[1])
if not id then return false end
if redis.call('EXISTS', ARGV[1] .. id) == 1 then return id end
return false`
