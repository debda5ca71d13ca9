-- Grants what a sweep may expire and hibernate: the brakes of the whole installation, one ledger for all leaders.
-- KEYS[1] ct:brake                 hash    e<s>, s<s>, h<s>: expired, expired slowly, hibernated in that second; holds
-- ARGV[1] demand JSON: tracked connections, running sessions, expire and hibernate wanted; window_ms and the limits
-- Returns {OK, may expire, may hibernate, ms the hold of expiries lasts or 0, ms they are slowed or 0, ms hibernations
--   are held back or 0, 1 when the hold of expiries began now}.
-- Emits nothing. Cost O(window in seconds).
local brake_key = KEYS[1]
local demand = cjson.decode(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local second = math.floor(now / 1000)
local function int(value)
  return string.format('%.0f', value)
end
local window_s = math.ceil(demand.window_ms / 1000)
local row = redis.call('HGETALL', brake_key)
local kept, sums, this_second = {}, { e = 0, s = 0, h = 0 }, { e = 0, s = 0, h = 0 }
for i = 1, #row, 2 do
  local kind, at = string.match(row[i], '^([esh])(%d+)$')
  if kind then
    local age = second - at
    -- What lies ahead was written before the clock stepped back: it counts as now, for its longest lawful time.
    if age < 0 then
      redis.call('HDEL', brake_key, row[i])
      redis.call('HINCRBY', brake_key, kind .. int(second), row[i + 1])
      age = 0
    end
    if age > (kind == 'h' and 60 or window_s) then redis.call('HDEL', brake_key, row[i])
    else
      sums[kind] = sums[kind] + row[i + 1]
      if age == 0 then this_second[kind] = this_second[kind] + row[i + 1] end
    end
  else
    kept[row[i]] = tonumber(row[i + 1])
  end
end
local function set(field, value)
  redis.call('HSET', brake_key, field, int(value))
end
-- An instant that was kept: never further away than it can lawfully be. Kept so, else a clock that stepped back by a
-- day would find it that far away all day.
local function left(field, longest)
  local ms = (kept[field] or 0) - now
  if ms > longest then set(field, now + longest) end
  return math.max(0, math.min(ms, longest))
end

-- Expiries. Connections that went stale within one window, above the threshold: hold for a window, then slowly.
local base = demand.tracked + sums.e + sums.s
local threshold = math.max(demand.stale_minimum, base * demand.stale_percent / 100)
local hold, slow = left('expiry_hold_until', demand.window_ms), left('expiry_slow_until', demand.window_ms * 2)
local expire, began = 0, 0
if hold == 0 and slow > 0 then
  local rate = math.max(demand.expiries_per_second, math.floor(base * demand.expiries_percent / 100))
  expire = math.min(demand.expire, math.max(0, rate - this_second.s))
  if demand.expire > expire then
    slow = demand.window_ms
    set('expiry_slow_until', now + slow)
  end
elseif hold == 0 and demand.expire > 0 and sums.e + demand.expire > threshold then
  hold, slow, began = demand.window_ms, demand.window_ms * 2, 1
  set('expiry_hold_until', now + hold)
  set('expiry_slow_until', now + slow)
  set('expiry_threshold', threshold)
  set('expiry_stale', sums.e + demand.expire)
  set('expiry_since', now)
elseif hold == 0 then
  expire = demand.expire
end
if expire > 0 then redis.call('HINCRBY', brake_key, (slow > 0 and 's' or 'e') .. int(second), expire) end

-- Hibernations: so many in any minute.
local limit = math.max(demand.hibernations_per_minute, math.floor((demand.running + sums.h) * demand.hibernations_percent / 100))
local hibernate = math.min(demand.hibernate, math.max(0, limit - sums.h))
local held_back = left('hibernation_held_until', 60000)
if hibernate > 0 then redis.call('HINCRBY', brake_key, 'h' .. int(second), hibernate) end
if demand.hibernate > hibernate then
  if held_back == 0 then set('hibernation_since', now) end
  held_back = demand.held_ms
  set('hibernation_held_until', now + held_back)
  set('hibernation_limit', limit)
end
return { OK, expire, hibernate, hold, slow, held_back, began }
