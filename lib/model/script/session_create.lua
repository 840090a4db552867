-- A session of an active user, under the user's token_ver of this moment, and perhaps an
-- opaque token for it.
-- KEYS  sess:{id}, user:{id}, user-sess:{id}, and for a token tok:{mac}
-- ARGV  session id, user id, now, expires_at, kind, token's expires_at, token's scopes,
--       then field, value, ... of the session (ip, user_agent)
-- returns the token_ver; NOTFOUND when the user is absent or disabled; CONFLICT when the id
-- is another user's. Again with the same ids: nothing changes.
local user = redis.call('HMGET', KEYS[2], 'is_active', 'token_ver')
if user[1] ~= '1' or not user[2] then
    return redis.error_reply('NOTFOUND no active user')
end
local owner = redis.call('HGET', KEYS[1], 'user')
if owner and owner ~= ARGV[2] then
    return redis.error_reply('CONFLICT the session is taken')
end
if not owner then
    redis.call('HSET', KEYS[1], 'id', ARGV[1], 'user', ARGV[2], 'kind', ARGV[5], 'token_ver', user[2],
               'created_at', ARGV[3], 'expires_at', ARGV[4], unpack(ARGV, 8))
    redis.call('EXPIREAT', KEYS[1], ARGV[4])
    redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. ARGV[3])
    redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
    if ARGV[5] == 'login' then
        redis.call('HSET', KEYS[2], 'last_login_at', ARGV[3])
    end
end
if KEYS[4] then
    redis.call('HSET', KEYS[4], 'session', ARGV[1], 'expires_at', ARGV[6], 'scopes', ARGV[7])
    redis.call('EXPIREAT', KEYS[4], ARGV[6])
end
return tonumber(user[2])
