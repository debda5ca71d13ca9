-- Counts the connections of some sessions of one partition, exactly and now.
-- KEYS[i] ct:{t}:guard (hash) first, then of each session ct:{t}:session:<sid> (hash) and ct:{t}:connections:<sid> (zset)
-- ARGV[1] settings JSON
-- Returns {OK, now, sessions known, connections tracked, live, unconfirmed among the live, {state, sessions, ...},
--   {number of a session in the call (from 1), its live connections, ...}}; a session without any is not named.
--   Tracked are also the stale ones, not yet expired. During a hold they count as live, unconfirmed.
-- Emits nothing. Cost O(sessions * log n); the caller bounds their number.
local guard_key, census_keys = KEYS[1], KEYS
local settings = cjson.decode(ARGV[1])
--@include guard
local oldest = '(' .. int(now - settings.window_ms)
local known, tracked, live, fresh = 0, 0, 0, 0
local states, connected = {}, {}
for i = 2, #census_keys, 2 do
  local session_key, connections_key = census_keys[i], census_keys[i + 1]
  local state = redis.call('HGET', session_key, 'state')
  if state then
    local all = redis.call('ZCARD', connections_key)
    local young = all > 0 and redis.call('ZCOUNT', connections_key, oldest, '+inf') or 0
    local counted = holding and all or young
    known, tracked, live, fresh = known + 1, tracked + all, live + counted, fresh + young
    states[state] = (states[state] or 0) + 1
    if counted > 0 then
      connected[#connected + 1] = i / 2
      connected[#connected + 1] = counted
    end
  end
end
local by_state = {}
for state, sessions in pairs(states) do
  by_state[#by_state + 1] = state
  by_state[#by_state + 1] = sessions
end
return { OK, now, known, tracked, live, live - fresh, by_state, connected }
