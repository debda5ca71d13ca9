-- Takes a slot for a wake, over the whole installation, or a place in the queue: first come, first served.
-- KEYS[1] ct:{w}:waking            zset    <sid>:<generation>, when its slot is void, in ms
-- KEYS[2] ct:{w}:wake-queue        zset    <sid>:<generation>, since when it waits, in ms
-- ARGV[1] entry, <sid>:<generation>
-- ARGV[2] number of slots
-- ARGV[3] how long a slot is held at most, in ms
-- Returns {OK, 1 when it waited before, else 0} or {HELD, place in the queue, from 1}.
-- Emits nothing. Cost O(log n + slots that ran out).
local waking_key, queue_key = KEYS[1], KEYS[2]
local entry, slots, slot_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
--@include slots
if redis.call('ZSCORE', waking_key, entry) then
  redis.call('ZADD', waking_key, int(now + slot_ms), entry)
  return { OK, 0 }
end
local waited = 1 - redis.call('ZADD', queue_key, 'NX', int(now), entry)
local place = redis.call('ZRANK', queue_key, entry)
if place < free_slots() then
  take(entry)
  return { OK, waited }
end
return { HELD, place + 1 }
