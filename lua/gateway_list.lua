-- Lists gateways with the time of their last call, latest first.
-- KEYS[1] ct:gateways              zset    name of a gateway, when it last called, in ms
-- ARGV[1] most to return
-- Returns {OK, now, names known, {name, last call in ms, ...}}.
-- Emits nothing. Cost O(log n + returned).
local gateways_key = KEYS[1]
local limit = tonumber(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local rows = redis.call('ZRANGE', gateways_key, 0, limit - 1, 'REV', 'WITHSCORES')
return { OK, now, redis.call('ZCARD', gateways_key), rows }
