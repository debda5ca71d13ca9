-- Reads what people who run it ask of one partition; changes nothing, not even the guard.
-- KEYS[1] ct:{t}:guard             hash    the partition's guard
-- KEYS[2] ct:{t}:counts            hash    sessions by state, connections by protocol
-- KEYS[3] ct:{t}:history           stream  outbox of Postgres
-- KEYS[4] ct:{t}:deadlines         zset    session id, when to look, in ms
-- KEYS[5] ct:{t}:wakes             zset    <sid>:<generation>, when to try, in ms
-- KEYS[6] ct:{t}:sessions          set     session ids
-- Returns {OK, now, {field, value, ...} of the guard, {field, value, ...} of the counts, entries of the stream, id of
--   its oldest or '', deadlines, those in the past, wakes, sessions}.
-- Emits nothing. Cost O(log n).
local guard_key, counts_key, history_key = KEYS[1], KEYS[2], KEYS[3]
local deadlines_key, wakes_key, sessions_key = KEYS[4], KEYS[5], KEYS[6]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local first = redis.call('XRANGE', history_key, '-', '+', 'COUNT', 1)[1]
return { OK, now, redis.call('HGETALL', guard_key), redis.call('HGETALL', counts_key), redis.call('XLEN', history_key),
  first and first[1] or '', redis.call('ZCARD', deadlines_key),
  redis.call('ZCOUNT', deadlines_key, '-inf', string.format('%.0f', now)), redis.call('ZCARD', wakes_key),
  redis.call('SCARD', sessions_key) }
