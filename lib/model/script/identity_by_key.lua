-- An API key by its public id, with its owner: what one request must know.
-- KEYS  key:{id}
-- ARGV  prefix of all keys
-- returns {key fields, user fields}, each a flat name, value, ...; absent ones are empty.
-- The password hash and other secrets of a record stay in Redis.
local KEY = {'id', 'user', 'name', 'scopes', 'mac', 'prev_mac', 'prev_until', 'created_at',
             'expires_at', 'is_active', 'allowed'}
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

local record = read(KEYS[1], KEY)
if #record == 0 then
    return {{}, {}}
end
local id = string.sub(KEYS[1], #ARGV[1] + #'key:' + 1)
local used = redis.call('HGET', ARGV[1] .. 'used:' .. id, 'last_used')
if used then
    record[#record + 1] = 'last_used_at'
    record[#record + 1] = used
end
local owner = redis.call('HGET', KEYS[1], 'user')
return {record, owner and read(ARGV[1] .. 'user:' .. owner, USER) or {}}
