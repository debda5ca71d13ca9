-- Tells which brakes are on.
-- KEYS[1] ct:brake                 hash    e<s>, s<s>, h<s>: expired, expired slowly, hibernated in that second; holds
-- Returns {OK, now, {field, value, ...}} of the fields that are not counts of a second.
-- Emits nothing. Cost O(1).
local brake_key = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local names = { 'expiry_hold_until', 'expiry_slow_until', 'expiry_threshold', 'expiry_stale', 'expiry_since',
  'hibernation_held_until', 'hibernation_limit', 'hibernation_since' }
local values, row = redis.call('HMGET', brake_key, unpack(names)), {}
for i, name in ipairs(names) do
  row[#row + 1] = name
  row[#row + 1] = values[i] or ''
end
return { OK, now, row }
