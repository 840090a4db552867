-- A new API key of an active user.
-- KEYS  key:{id}, user:{id}, user-keys:{id}
-- ARGV  key id, user id, created_at, then field, value, ... of the record
-- returns OK; NOTFOUND when the user is absent or disabled; CONFLICT when the id is taken.
-- Again with the same mac: OK, nothing changes.
local fields = {}
for i = 4, #ARGV, 2 do
    fields[ARGV[i]] = ARGV[i + 1]
end
if redis.call('HGET', KEYS[2], 'is_active') ~= '1' then
    return redis.error_reply('NOTFOUND no active user')
end
if redis.call('EXISTS', KEYS[1]) == 1 then
    if redis.call('HGET', KEYS[1], 'mac') == fields.mac then
        return redis.status_reply('OK')
    end
    return redis.error_reply('CONFLICT the id is taken')
end
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'user', ARGV[2], 'created_at', ARGV[3], 'is_active', '1',
           unpack(ARGV, 4))
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
return redis.status_reply('OK')
