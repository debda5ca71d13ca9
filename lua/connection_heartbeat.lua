-- Refreshes connections by the clock of the server; never adds one, so a late heartbeat resurrects nothing.
-- KEYS[i] ct:{t}:connections:<sid> zset    one per heartbeat; may be named more than once
-- ARGV[i] id of the connection to refresh in KEYS[i]
-- Returns {OK, now, {indexes (from 1) that hit nothing}}: those are asked about by connection_classify.
--   A member refreshed twice within one ms is reported as a miss too; asking finds it.
-- Emits nothing. Cost O(heartbeats); the caller bounds their number. On a cluster all are of one partition, and one at a
--   time while its slot is on the move. What a stamp has refreshed does not come here.
local connections_keys, ids = KEYS, ARGV
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local score = string.format('%.0f', now)
local missed = {}
for i = 1, #ids do
  local connections_key, id = connections_keys[i], ids[i]
  -- XX never creates; CH counts members whose score changed, so the answer tells a hit from a miss.
  if redis.call('ZADD', connections_key, 'XX', 'CH', score, id) == 0 then missed[#missed + 1] = i end
end
return { OK, now, missed }
