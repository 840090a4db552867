-- A new user and the names it takes, at once or not at all.
-- KEYS  user:{id}, users, then each name to take (user:name:{hash}, user:email:{hash})
-- ARGV  id, created_at, then field, value, ... of the record
-- returns OK; CONFLICT when a name is another's. Again with the same id: OK, nothing changes.
if redis.call('EXISTS', KEYS[1]) == 1 then
    return redis.status_reply('OK')
end
for i = 3, #KEYS do
    local owner = redis.call('GET', KEYS[i])
    if owner and owner ~= ARGV[1] then
        return redis.error_reply('CONFLICT the name is taken')
    end
end
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'created_at', ARGV[2], 'updated_at', ARGV[2],
           unpack(ARGV, 3))
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
for i = 3, #KEYS do
    redis.call('SET', KEYS[i], ARGV[1])
end
return redis.status_reply('OK')
