-- Refreshes many connections; never adds one, so a late heartbeat resurrects nothing.
-- KEYS[i] ct:{t}:connections:<sid> zset    one per heartbeat; repeated for several of one session
-- ARGV[i] id of the connection to refresh in KEYS[i]
-- Returns {OK, now, {indexes (from 1) that hit nothing}}: those are asked about by connection_classify.
--   A member refreshed twice within one ms is reported as a miss too; asking finds it.
-- Emits nothing. Cost O(heartbeats); the caller bounds their number. On a cluster all are of one partition.
local connection_keys, ids = KEYS, ARGV
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local score = string.format('%.0f', now)
local missed = {}
local i = 1
while i <= #ids do
  local connections_key = connection_keys[i]
  -- XX never creates; CH counts members whose score changed, so the answer tells a hit from a miss.
  if connection_keys[i + 1] ~= connections_key then
    if redis.call('ZADD', connections_key, 'XX', 'CH', score, ids[i]) == 0 then missed[#missed + 1] = i end
    i = i + 1
  else
    -- Two of one session in one command: half of what both cost.
    if redis.call('ZADD', connections_key, 'XX', 'CH', score, ids[i], score, ids[i + 1]) < 2 then
      for at = i, i + 1 do
        if redis.call('ZSCORE', connections_key, ids[at]) ~= score then missed[#missed + 1] = at end
      end
    end
    i = i + 2
  end
end
return { OK, now, missed }
