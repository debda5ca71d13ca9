-- Notes that the connections of one life of a partition were brought back from Postgres.
-- KEYS[1] ct:{t}:guard             hash    the partition's guard
-- ARGV[1] epoch they were brought back into
-- Returns {OK}, or {OVER} when the data was lost again meanwhile.
-- Emits nothing. Cost O(1).
local guard_key = KEYS[1]
local epoch = ARGV[1]
if redis.call('HGET', guard_key, 'epoch') ~= epoch then return { OVER } end
redis.call('HDEL', guard_key, 'restore')
return { OK }
