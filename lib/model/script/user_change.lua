-- Changes fields of a user. New roles, a new password and disabling raise token_ver and
-- delete the sessions (incidents K12, S2; D7); a session that is kept moves to the new token_ver.
-- KEYS  user:{id}, users, user-sess:{id}
-- ARGV  prefix of all keys, id, now in seconds, session to keep or empty, then field, value, ...
-- returns the token_ver; NOTFOUND; CONFLICT when no active admin would be left.
-- Again with the same values: nothing changes.
local function is_admin(roles, is_active)
    return is_active == '1' and string.find(',' .. (roles or '') .. ',', ',admin,', 1, true) ~= nil
end

local function has_other_admin()
    for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
        if id ~= ARGV[2] then
            local u = redis.call('HMGET', ARGV[1] .. 'user:' .. id, 'roles', 'is_active')
            if is_admin(u[1], u[2]) then
                return true
            end
        end
    end
    return false
end

local old = redis.call('HMGET', KEYS[1], 'roles', 'is_active', 'pw', 'token_ver')
if not old[4] then
    return redis.error_reply('NOTFOUND no such user')
end
local set, is_changed = {}, false
for i = 5, #ARGV, 2 do
    set[ARGV[i]] = ARGV[i + 1]
    is_changed = is_changed or redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1]
end
if not is_changed then
    return tonumber(old[4])
end
local roles, is_active = set.roles or old[1], set.is_active or old[2]
if is_admin(old[1], old[2]) and not is_admin(roles, is_active) and not has_other_admin() then
    return redis.error_reply('CONFLICT the last active admin')
end

local version = tonumber(old[4])
local is_end = roles ~= old[1] or (is_active ~= '1' and old[2] == '1') or
                   (set.pw ~= nil and set.pw ~= (old[3] or ''))
if is_end then
    version = version + 1
end
redis.call('HSET', KEYS[1], 'token_ver', string.format('%.0f', version), 'updated_at', ARGV[3],
           unpack(ARGV, 5))
if is_end then
    for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
        local session = ARGV[1] .. 'sess:' .. id
        if id ~= ARGV[4] then
            redis.call('DEL', session)
            redis.call('ZREM', KEYS[3], id)
        elseif redis.call('EXISTS', session) == 1 then
            redis.call('HSET', session, 'token_ver', string.format('%.0f', version))
        end
    end
end
return version
