-- Notes which gateways called; forgets those that have not for long.
-- KEYS[1] ct:gateways              zset    name of a gateway, when it last called, in ms
-- ARGV[1] names, a JSON list
-- ARGV[2] most names to keep
-- ARGV[3] after how long without a call a name is forgotten, in ms
-- Returns {OK, names kept}.
-- Emits nothing. Cost O(names * log n); the caller bounds the list, and 1,000 names are pulled in at once.
local gateways_key = KEYS[1]
local names, limit, forget = cjson.decode(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function int(value)
  return string.format('%.0f', value)
end
-- Written before the clock stepped back: they would seem to call for as long as it stepped.
for _, name in ipairs(redis.call('ZRANGE', gateways_key, '(' .. int(now), '+inf', 'BYSCORE', 'LIMIT', 0, 1000)) do
  redis.call('ZADD', gateways_key, int(now), name)
end
for _, name in ipairs(names) do redis.call('ZADD', gateways_key, int(now), name) end
redis.call('ZREMRANGEBYSCORE', gateways_key, '-inf', int(now - forget))
local kept = redis.call('ZCARD', gateways_key)
if kept > limit then
  redis.call('ZREMRANGEBYRANK', gateways_key, 0, kept - limit - 1)
  kept = limit
end
return { OK, kept }
