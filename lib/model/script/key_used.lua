-- Counts uses of an API key and notes the last one; never writes a tracked key (rule (i)).
-- KEYS  used:{id}, key:{id}
-- ARGV  uses since the last report
-- returns last_used in seconds of the server's clock, or 0 when the key is gone: a late report
-- does not leave a record behind.
if redis.call('EXISTS', KEYS[2]) == 0 then
    return 0
end
local now = tonumber(redis.call('TIME')[1])
local last = math.max(now, tonumber(redis.call('HGET', KEYS[1], 'last_used') or 0) or 0)
redis.call('HSET', KEYS[1], 'last_used', string.format('%.0f', last))
redis.call('HINCRBY', KEYS[1], 'usage_count', ARGV[1])
return last
