-- Names what is due in one partition: sessions to review, wakes nobody works on.
-- KEYS[1] ct:{t}:guard             hash    the partition's guard
-- KEYS[2] ct:{t}:deadlines         zset    session id, when to look, in ms
-- KEYS[3] ct:{t}:wakes             zset    <sid>:<generation>, when to try, in ms
-- KEYS[4] ct:{t}:counts            hash    sessions by state, connections by protocol
-- ARGV[1] settings JSON
-- ARGV[2] most to return of each
-- ARGV[3] term of the caller
-- Returns {OK, epoch, {session ids}, {wake entries}, ms the hold still lasts or 0, its reason, connections, running
--   sessions, 1 when connections are to be brought back from Postgres} or {FENCED} when a newer leader sweeps.
-- Emits nothing. Cost O(log n + returned).
local guard_key, deadlines_key, wakes_key, counts_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local settings, limit, term = cjson.decode(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
--@include guard
if settings.refuse_lower_term and term < guard_term then return { FENCED } end
if term > guard_term then redis.call('HSET', guard_key, 'term', int(term)) end
-- Written before the clock stepped back: nothing lies further ahead than an hour (deadlines) or the
-- longest back-off (wakes). Looking too early is harmless.
for key, longest in pairs({ [deadlines_key] = 3600000, [wakes_key] = 900000 }) do
  local ahead = redis.call('ZRANGE', key, '(' .. int(now + longest + 60000), '+inf', 'BYSCORE', 'LIMIT', 0, limit)
  for _, member in ipairs(ahead) do redis.call('ZADD', key, int(now), member) end
end
-- Written before a step that was shorter than that: each deadline is due once again, some at each sweep.
local page = redis.call('HGET', guard_key, 'look_again')
if page then
  local wakes_ahead = redis.call('ZRANGE', wakes_key, '(' .. int(now), '+inf', 'BYSCORE', 'LIMIT', 0, limit)
  for _, member in ipairs(wakes_ahead) do redis.call('ZADD', wakes_key, int(now), member) end
  local found = redis.call('ZSCAN', deadlines_key, page, 'COUNT', limit)
  for i = 1, #found[2], 2 do
    if tonumber(found[2][i + 1]) > now then redis.call('ZADD', deadlines_key, int(now), found[2][i]) end
  end
  if found[1] == '0' then redis.call('HDEL', guard_key, 'look_again')
  else redis.call('HSET', guard_key, 'look_again', found[1]) end
end
local due = redis.call('ZRANGE', deadlines_key, '-inf', int(now), 'BYSCORE', 'LIMIT', 0, limit)
local wakes = redis.call('ZRANGE', wakes_key, '-inf', int(now), 'BYSCORE', 'LIMIT', 0, limit)
local reason = holding and redis.call('HGET', guard_key, 'hold_reason') or ''
local counts = redis.call('HMGET', counts_key, 'connections', 'state:running')
local restore = redis.call('HEXISTS', guard_key, 'restore')
return { OK, epoch, due, wakes, holding and hold_until - now or 0, reason, tonumber(counts[1] or 0), tonumber(counts[2] or 0), restore }
