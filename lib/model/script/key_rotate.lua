-- A new secret for an API key; the former one works until prev_until. The one before that
-- ends at once: there are never more than two.
-- KEYS  key:{id}
-- ARGV  mac, prev_until in seconds (0: the former one ends now)
-- returns OK; NOTFOUND. Again with the same mac: OK, nothing changes.
local mac = redis.call('HGET', KEYS[1], 'mac')
if not mac then
    return redis.error_reply('NOTFOUND no such key')
end
if mac == ARGV[1] then
    return redis.status_reply('OK')
end
if ARGV[2] == '0' then
    redis.call('HSET', KEYS[1], 'mac', ARGV[1], 'prev_until', '0')
    redis.call('HDEL', KEYS[1], 'prev_mac')
else
    redis.call('HSET', KEYS[1], 'mac', ARGV[1], 'prev_mac', mac, 'prev_until', ARGV[2])
end
return redis.status_reply('OK')
