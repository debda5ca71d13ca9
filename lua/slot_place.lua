-- Tells where a wake stands among those of the installation.
-- KEYS[1] ct:{w}:waking            zset    <sid>:<generation>, when its slot is void, in ms
-- KEYS[2] ct:{w}:wake-queue        zset    <sid>:<generation>, since when it waits, in ms
-- ARGV[1] entry, <sid>:<generation>
-- Returns {OK, place in the queue from 1, or 0 when it does not queue, wakes in flight, wakes waiting}.
-- Emits nothing. Cost O(log n).
local waking_key, queue_key = KEYS[1], KEYS[2]
local entry = ARGV[1]
local place = redis.call('ZRANK', queue_key, entry)
return { OK, place and place + 1 or 0, redis.call('ZCARD', waking_key), redis.call('ZCARD', queue_key) }
