-- A session by its id, with its user.
-- KEYS  sess:{id}
-- ARGV  prefix of all keys
-- returns {session fields, user fields}, each a flat name, value, ...; absent ones are empty.
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

local session = read(KEYS[1], SESSION)
local owner = redis.call('HGET', KEYS[1], 'user')
return {session, owner and read(ARGV[1] .. 'user:' .. owner, USER) or {}}
