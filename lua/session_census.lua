-- Counts the connections of some sessions of one partition, exactly and now, and who would sleep now.
-- KEYS[i] ct:{t}:guard (hash) first, then of each session ct:{t}:session:<sid> (hash) and ct:{t}:connections:<sid> (zset)
-- ARGV[1] settings JSON
-- Returns {OK, now, sessions known, connections tracked, live, unconfirmed among the live, {state, sessions, ...},
--   {number of a session in the call (from 1), its live connections, ...}, idle sessions that would sleep now in mode
--   act with adopt all, those among them that sleep without it}; a session without any connection is not named.
--   Tracked are also the stale ones, not yet expired. During a hold they count as live, unconfirmed.
-- Emits nothing. Cost O(sessions * log n); the caller bounds their number.
local guard_key, census_keys = KEYS[1], KEYS
local settings = cjson.decode(ARGV[1])
--@include guard
-- What the record's own steps need and a count does not: they are never called here.
local session_key, connections_key, sid = census_keys[2], census_keys[3], ''
local details_key, deadlines_key, wakes_key, history_key, sessions_key, counts_key
--@include session
--@include due
local oldest = '(' .. int(now - settings.window_ms)
local known, tracked, live, fresh, would_sleep, are_eligible = 0, 0, 0, 0, 0, 0
local states, connected = {}, {}
for i = 2, #census_keys, 2 do
  session_key, connections_key = census_keys[i], census_keys[i + 1]
  record = read_record()
  if record.state then
    local all = redis.call('ZCARD', connections_key)
    local young = all > 0 and redis.call('ZCOUNT', connections_key, oldest, '+inf') or 0
    local counted = holding and all or young
    known, tracked, live, fresh = known + 1, tracked + all, live + counted, fresh + young
    states[record.state] = (states[record.state] or 0) + 1
    if counted > 0 then
      connected[#connected + 1] = i / 2
      connected[#connected + 1] = counted
    elseif record.state == 'running' and idle_timeout() >= 0 and due_at() <= now then
      would_sleep = would_sleep + 1
      if eligible() then are_eligible = are_eligible + 1 end
    end
  end
end
local by_state = {}
for state, sessions in pairs(states) do
  by_state[#by_state + 1] = state
  by_state[#by_state + 1] = sessions
end
return { OK, now, known, tracked, live, live - fresh, by_state, connected, would_sleep, are_eligible }
