-- An opaque token by its keyed hash, with its session and its user.
-- KEYS  tok:{mac}
-- ARGV  prefix of all keys
-- returns {token fields, session fields, user fields}, each a flat name, value, ...
-- Absent ones are empty; the token's are session, scopes (empty: not limited), expires_at.
local TOKEN = {'session', 'scopes', 'expires_at'}
local SESSION = {'id', 'user', 'kind', 'token_ver', 'created_at', 'expires_at'}
local USER = {'id', 'username', 'email', 'roles', 'is_active', 'must_change', 'token_ver',
              'created_at', 'updated_at', 'last_login_at'}

local function read(key, names)
    local values, flat = redis.call('HMGET', key, unpack(names)), {}
    for i, name in ipairs(names) do
        if values[i] then
            flat[#flat + 1] = name
            flat[#flat + 1] = values[i]
        end
    end
    return flat
end

local token = read(KEYS[1], TOKEN)
local id = redis.call('HGET', KEYS[1], 'session')
if not id then
    return {token, {}, {}}
end
local key = ARGV[1] .. 'sess:' .. id
local owner = redis.call('HGET', key, 'user')
return {token, read(key, SESSION), owner and read(ARGV[1] .. 'user:' .. owner, USER) or {}}
