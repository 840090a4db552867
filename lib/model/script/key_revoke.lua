-- Deletes an API key (D7).
-- KEYS  key:{id}, used:{id}
-- ARGV  prefix of all keys, key id, user who must own it or empty
-- returns how many were deleted: 1 or 0.
local owner = redis.call('HGET', KEYS[1], 'user')
if not owner or (ARGV[3] ~= '' and owner ~= ARGV[3]) then
    return 0
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('ZREM', ARGV[1] .. 'user-keys:' .. owner, ARGV[2])
return 1
