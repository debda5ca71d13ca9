-- Included by the scripts of wake slots, when `waking_key`, `queue_key`, `slots` and `slot_ms` are named. Slots whose
-- holder died, or never heard that it was called, run out, and their wakes come first in the queue: where one was done
-- after all, its claim finds nothing. One that lies further ahead than it lawfully can was written before the clock stepped back.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function int(value)
  return string.format('%.0f', value)
end
for _, range in ipairs({ { '-inf', int(now) }, { '(' .. int(now + slot_ms), '+inf' } }) do
  local void = redis.call('ZRANGE', waking_key, range[1], range[2], 'BYSCORE')
  for _, entry_void in ipairs(void) do
    redis.call('ZREM', waking_key, entry_void)
    redis.call('ZADD', queue_key, 'NX', 0, entry_void)
  end
end
local function free_slots()
  return slots - redis.call('ZCARD', waking_key)
end
local function take(entry)
  redis.call('ZREM', queue_key, entry)
  redis.call('ZADD', waking_key, int(now + slot_ms), entry)
end
