-- Deletes one session, or all of a user's but one (D7). Tokens of a session that is gone
-- prove nothing, and end by their time.
-- KEYS  one: sess:{id}; all: user-sess:{id}
-- ARGV  prefix of all keys, "one", session id, user who must own it or empty
--       prefix of all keys, "all", session to keep or empty
-- returns how many live ones were deleted.
if ARGV[2] == 'one' then
    local owner = redis.call('HGET', KEYS[1], 'user')
    if not owner or (ARGV[4] ~= '' and owner ~= ARGV[4]) then
        return 0
    end
    redis.call('DEL', KEYS[1])
    redis.call('ZREM', ARGV[1] .. 'user-sess:' .. owner, ARGV[3])
    return 1
end
if ARGV[2] ~= 'all' then
    return redis.error_reply('ERR session_revoke: one or all')
end
local count = 0
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    if id ~= ARGV[3] then
        count = count + redis.call('DEL', ARGV[1] .. 'sess:' .. id)
        redis.call('ZREM', KEYS[1], id)
    end
end
return count
