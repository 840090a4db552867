-- Takes cost units from every window of every rule, or from none (incidents O7).
-- KEYS  rl:{digest}, one a rule
-- ARGV  need, ahead, ahead_us; for each rule: cost, number of windows, then for each window:
--       kind (g: GCRA, s: sliding), units, burst (0: as units), period_ms
-- returns {granted, rule, window, limit, remaining, reset_ms, retry_ms}; rule and window
--       count from 0 and name the one with least left or, refused, the one that waits longest.
--       limit is what remaining counts down from: units, or burst for GCRA. A cost above it
--       never fits; its retry_ms is the whole period.
--
-- One take serves as many equal requests as were granted: up to need that wait for the answer, and
-- where much is left up to ahead more that will come within ahead_us. Taken ahead, all of them
-- are charged as if they came at the end of ahead_us, which no window can tell from late
-- requests: no interval ever holds more than the limit, whenever they really come.
--
-- The clock is the server's, in microseconds. Every number is an integer below 2^53, so
-- Lua's doubles hold it exactly:
--   GCRA     a level "time:level". With period/units reduced to p/u, one unit raises it by p,
--            one microsecond lowers it by u, and it may reach burst * p (checked < 2^52).
--            A product that would pass 2^53 only ever says "drained": rounding is monotone.
--            A clock set back drains nothing until it has caught up; set back by more than
--            the level takes to drain, the level is forgotten: nobody is locked out for long.
--   sliding  a list of "time:cost:total"; a unit counts in (now - period, now], so no interval
--            of one period ever holds more than units. total runs on: used is last - first.
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local MAX = 4503599627370496
local CHUNK = 64
local SPARE = 64 -- of what is left, one part in so many may be taken ahead

local function whole(n)
    return string.format('%.0f', n)
end

local function gcd(a, b)
    while b > 0 do
        a, b = b, math.fmod(a, b)
    end
    return a
end

local function number(text, least)
    local n = tonumber(text)
    if not n or n < least or n >= MAX or n ~= math.floor(n) then
        return nil
    end
    return n
end

local function open_gcra(w)
    local common = gcd(w.period, w.units)
    w.p, w.u = w.period / common, w.units / common
    w.limit = w.burst > 0 and w.burst or w.units
    w.cap = w.limit * w.p
    if w.cap >= MAX then
        return false
    end
    w.level, w.late = 0, 0
    local at, level = string.match(redis.call('GET', w.key) or '', '^(%d+):(%d+)$')
    if at then
        local passed = now - tonumber(at)
        w.level = tonumber(level)
        if -passed * w.u > w.level then
            w.level = 0
        elseif passed < 0 then
            w.late = -passed
        else
            w.level = math.max(0, w.level - passed * w.u)
        end
    end
    return true
end

local function entry(text)
    local at, cost, total = string.match(text, '^(%d+):(%d+):(%d+)$')
    return tonumber(at), tonumber(cost), tonumber(total)
end

-- Visits the entries from the oldest; ends when visit returns true.
local function each(key, visit)
    local from = 0
    while true do
        local items = redis.call('LRANGE', key, from, from + CHUNK - 1)
        for i, text in ipairs(items) do
            if visit(from + i - 1, entry(text)) then
                return
            end
        end
        if #items < CHUNK then
            return
        end
        from = from + CHUNK
    end
end

local function open_sliding(w)
    w.limit, w.used, w.total, w.gone, w.at = w.units, 0, 0, 0, now
    local last = redis.call('LINDEX', w.key, -1)
    if not last then
        return true
    end
    local last_at, _, last_total = entry(last)
    if last_at > now + w.period then -- the clock was set back by more than a period
        w.gone = redis.call('LLEN', w.key)
        return true
    end
    w.at = math.max(now, last_at)
    w.total = last_total
    w.gone = redis.call('LLEN', w.key)
    each(w.key, function(i, at, cost, total)
        if at + w.period > now then
            w.gone, w.used, w.first_at = i, last_total - total + cost, at
            return true
        end
    end)
    w.last_at = last_at
    return true
end

-- When need more units have left a sliding window, in microseconds from now.
local function wait_sliding(w, need)
    local wait, seen = w.period, 0
    each(w.key, function(i, at, cost)
        if i >= w.gone then
            seen = seen + cost
            if seen >= need then
                wait = at + w.period - now
                return true
            end
        end
    end)
    return wait
end

-- How many units are left, and microseconds until all are; waits only when cost does not fit.
local function judge(w, cost)
    if w.kind == 'g' then
        w.remaining = math.floor((w.cap - w.level) / w.p)
        w.reset = w.level / w.u
        w.fits = w.level + cost * w.p <= w.cap
        w.wait = (w.level + cost * w.p - w.cap) / w.u + w.late
    else
        w.remaining = w.limit - w.used
        w.reset = w.used > 0 and (w.last_at or now) + w.period - now or 0
        w.fits = w.used + cost <= w.limit
        w.wait = w.fits and 0 or wait_sliding(w, w.used + cost - w.limit)
    end
    if cost > w.limit then
        w.fits, w.wait = false, w.period
    end
end

local function take(w, cost)
    if w.kind == 'g' then
        w.level = w.level + cost * w.p
    else
        w.used, w.total, w.last_at = w.used + cost, w.total + cost, w.at
        w.added = (w.added or 0) + cost
    end
    judge(w, 0)
end

local function write(w)
    if w.kind == 'g' then
        redis.call('SET', w.key, whole(now) .. ':' .. whole(w.level), 'PX',
                   whole(math.ceil(w.level / w.u / 1000) + 1))
        return
    end
    redis.call('RPUSH', w.key, whole(w.at) .. ':' .. whole(w.added) .. ':' .. whole(w.total))
    if w.gone > 0 then
        redis.call('LPOP', w.key, whole(w.gone))
    end
    redis.call('PEXPIRE', w.key, whole(math.ceil((w.at + w.period - now) / 1000) + 1))
end

-- Reads all windows; the same one named twice is one state.
local takes, states, arg = {}, {}, 4
local need, ahead, ahead_us = number(ARGV[1], 1), number(ARGV[2], 0), number(ARGV[3], 0)
if not need or not ahead or not ahead_us then
    return redis.error_reply('ERR limit: need, ahead or ahead_us')
end
for rule, key in ipairs(KEYS) do
    local cost, windows = number(ARGV[arg], 1), number(ARGV[arg + 1], 1)
    if not cost or not windows then
        return redis.error_reply('ERR limit: cost or number of windows')
    end
    arg = arg + 2
    for window = 1, windows do
        local w = {kind = ARGV[arg], units = number(ARGV[arg + 1], 1),
                   burst = number(ARGV[arg + 2], 0), period = number(ARGV[arg + 3], 1)}
        if (w.kind ~= 'g' and w.kind ~= 's') or not w.units or not w.burst or not w.period or
            w.period * 1000 >= MAX then
            return redis.error_reply('ERR limit: kind, units, burst or period')
        end
        w.period = w.period * 1000
        w.key = table.concat({key, w.kind, whole(w.units), whole(w.burst), whole(w.period)}, ':')
        arg = arg + 4
        if states[w.key] then
            w = states[w.key]
        elseif not (w.kind == 'g' and open_gcra or open_sliding)(w) then
            return redis.error_reply('ERR limit: burst times period is too large')
        end
        states[w.key] = w
        w.cost = (w.cost or 0) + cost
        takes[#takes + 1] = {w = w, cost = cost, rule = rule - 1, window = window - 1}
    end
end

local function answer(granted, of, remaining, reset, wait)
    return {granted, of.rule, of.window, of.w.limit, remaining, math.ceil(reset / 1000),
            math.ceil(wait / 1000)}
end

-- How often the request fits into w, if it comes later (in microseconds) than now.
local function room(w, later)
    if later > 0 and w.period <= later then
        return 0
    elseif w.kind == 'g' then
        return math.floor((w.cap - math.max(w.level, later * w.u)) / (w.cost * w.p))
    end
    return math.floor((w.limit - w.used) / w.cost)
end

local function least_room(later)
    local least = MAX
    for _, w in pairs(states) do
        least = math.min(least, room(w, later))
    end
    return math.max(0, least)
end

local fit = least_room(0)
local granted, later = math.min(need, fit), 0
local more = math.min(ahead, math.floor((fit - granted) / SPARE))
if more > 0 and granted + more <= least_room(ahead_us) then
    granted, later = granted + more, ahead_us
end

-- Refused: what waits longest is named, and nothing is written.
local worst
if granted == 0 then
    for _, one in ipairs(takes) do
        judge(one.w, one.cost)
        one.remaining, one.reset, one.wait = one.w.remaining, one.w.reset, one.w.wait
        if not one.w.fits and (not worst or one.wait > worst.wait) then
            worst = one
        end
        take(one.w, one.cost)
    end
    return answer(0, worst, math.max(0, worst.remaining), worst.reset, worst.wait)
end
for _, w in pairs(states) do
    if w.kind == 'g' then
        w.level = math.max(w.level, later * w.u)
    else
        w.at = math.max(w.at, now + later)
    end
    take(w, w.cost * granted)
    write(w)
end
for _, one in ipairs(takes) do
    if not worst or one.w.remaining < worst.w.remaining then
        worst = one
    end
end
return answer(granted, worst, worst.w.remaining, worst.w.reset, 0)
