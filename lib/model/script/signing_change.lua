-- Changes the set of signing keys: kid -> JSON {alg, state, created_at, key (sealed)}.
-- KEYS  signing
-- ARGV  op, kid, and for rotate and ensure the new record
--       rotate  the new key signs; the active one before it verifies on as "retiring"
--       ensure  as rotate, unless there is an active key: gateways that start together make one
--       retire  deletes a key that does not sign (D7)
-- returns OK; NOTFOUND; CONFLICT for the key that signs. Again with the same kid: nothing changes.
local op, kid, record = ARGV[1], ARGV[2], ARGV[3]
local flat = redis.call('HGETALL', KEYS[1])
local states = {}
for i = 1, #flat, 2 do
    local ok, value = pcall(cjson.decode, flat[i + 1])
    states[flat[i]] = ok and type(value) == 'table' and value or {}
end

if op == 'retire' then
    if not states[kid] then
        return redis.error_reply('NOTFOUND no such signing key')
    end
    if states[kid].state == 'active' then
        return redis.error_reply('CONFLICT the key signs; rotate first')
    end
    redis.call('HDEL', KEYS[1], kid)
    return redis.status_reply('OK')
end
if op ~= 'rotate' and op ~= 'ensure' then
    return redis.error_reply('ERR signing_change: rotate, ensure or retire')
end
if states[kid] then
    return redis.status_reply('OK')
end
local changed = {}
for other, value in pairs(states) do
    if value.state == 'active' then
        if op == 'ensure' then
            return redis.status_reply('OK')
        end
        value.state = 'retiring'
        changed[#changed + 1] = other
        changed[#changed + 1] = cjson.encode(value)
    end
end
redis.call('HSET', KEYS[1], kid, record, unpack(changed))
return redis.status_reply('OK')
