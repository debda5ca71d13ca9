-- Included by the scripts of wake slots, when `waking_key`, `queue_key`, `slots` and `slot_ms` are named. Slots whose
-- holder died run out; one that lies further ahead than it lawfully can was written before the clock stepped back.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function int(value)
  return string.format('%.0f', value)
end
redis.call('ZREMRANGEBYSCORE', waking_key, '-inf', int(now))
redis.call('ZREMRANGEBYSCORE', waking_key, '(' .. int(now + slot_ms), '+inf')
local function free_slots()
  return slots - redis.call('ZCARD', waking_key)
end
local function take(entry)
  redis.call('ZREM', queue_key, entry)
  redis.call('ZADD', waking_key, int(now + slot_ms), entry)
end
