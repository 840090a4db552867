-- Deletes a user with its sessions, API keys and names.
-- KEYS  user:{id}, users, user-keys:{id}, user-sess:{id}, then each name it holds
-- ARGV  prefix of all keys, id, username, email as the caller read them for those names
-- returns OK; NOTFOUND; CONFLICT when no active admin would be left; CHANGED when the
-- names are others by now (read again, then try again).
local function is_admin(u)
    return u[2] == '1' and string.find(',' .. (u[1] or '') .. ',', ',admin,', 1, true) ~= nil
end

local function has_other_admin()
    for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
        if id ~= ARGV[2] and
            is_admin(redis.call('HMGET', ARGV[1] .. 'user:' .. id, 'roles', 'is_active')) then
            return true
        end
    end
    return false
end

local user = redis.call('HMGET', KEYS[1], 'roles', 'is_active', 'username', 'email')
if not user[3] then
    return redis.error_reply('NOTFOUND no such user')
end
if user[3] ~= ARGV[3] or (user[4] or '') ~= ARGV[4] then
    return redis.error_reply('CHANGED the user has another name')
end
if is_admin(user) and not has_other_admin() then
    return redis.error_reply('CONFLICT the last active admin')
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
    redis.call('DEL', ARGV[1] .. 'key:' .. id, ARGV[1] .. 'used:' .. id)
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
    redis.call('DEL', ARGV[1] .. 'sess:' .. id)
end
for i = 5, #KEYS do
    if redis.call('GET', KEYS[i]) == ARGV[2] then
        redis.call('DEL', KEYS[i])
    end
end
redis.call('DEL', KEYS[1], KEYS[3], KEYS[4])
redis.call('ZREM', KEYS[2], ARGV[2])
return redis.status_reply('OK')
