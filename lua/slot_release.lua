-- Gives a slot back, and calls those whose turn it is; without an entry only the latter (slots that ran out).
-- KEYS[1] ct:{w}:waking            zset    <sid>:<generation>, when its slot is void, in ms
-- KEYS[2] ct:{w}:wake-queue        zset    <sid>:<generation>, since when it waits, in ms
-- ARGV[1] entry, <sid>:<generation>, or empty
-- ARGV[2] number of slots
-- ARGV[3] how long a slot is held at most, in ms
-- Returns {OK, {entries called; their slots are taken}, wakes in flight, wakes waiting}.
-- Emits nothing. Cost O(log n + called).
local waking_key, queue_key = KEYS[1], KEYS[2]
local entry, slots, slot_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
--@include slots
if entry ~= '' then
  redis.call('ZREM', waking_key, entry)
  redis.call('ZREM', queue_key, entry)
end
-- Not asked for with nothing free: a range up to -1 would be the whole queue.
local free = free_slots()
local called = free > 0 and redis.call('ZRANGE', queue_key, 0, free - 1) or {}
for _, next_entry in ipairs(called) do take(next_entry) end
return { OK, called, redis.call('ZCARD', waking_key), redis.call('ZCARD', queue_key) }
