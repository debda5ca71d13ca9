-- Confirms a wake right before its patch; drops an entry whose generation is over.
-- KEYS[1] ct:{t}:guard             hash    the partition's guard
-- KEYS[2] ct:{t}:session:<sid>     hash    the session's record
-- KEYS[3] ct:{t}:connections:<sid> zset    connection id, last heartbeat in ms
-- KEYS[4] ct:{t}:details:<sid>     hash    connection id, JSON
-- KEYS[5] ct:{t}:deadlines         zset    session id, when to look, in ms
-- KEYS[6] ct:{t}:wakes             zset    <sid>:<generation>, when to try, in ms
-- KEYS[7] ct:{t}:history           stream  outbox of Postgres
-- KEYS[8] ct:{t}:sessions          set     session ids
-- KEYS[9] ct:{t}:counts            hash    sessions by state, connections by protocol
-- ARGV[1] settings JSON
-- ARGV[2] session id
-- ARGV[3] generation of the entry
-- ARGV[4] under the weaker fence, where the object was read running (to wake one at rest makes a version): how long a
--   patch may take effect after its confirmation, in ms; else 0
-- Returns {OK}, {OVER}, or {ACTING, ms}: a hibernation that was confirmed before may still land, for so long at most;
--   wait for its report, then read again.
-- Emits nothing. Cost O(log n).
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, generation, lasts = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
--@include guard
--@include session
--@include acting
if record.state == 'waking' and record.generation == generation then
  if lasts == 0 then return { OK } end
  -- What began the last hold may have lost marks with the rest, or run them out early. During it nothing is confirmed,
  -- so all that was confirmed before is over when the time of one patch has passed since it began.
  local hold_since = tonumber(redis.call('HGET', guard_key, 'hold_since') or 0)
  local left = math.max(acting_left(), math.min(hold_since + lasts - now, lasts))
  if left > 0 then return { ACTING, left } end
  return { OK }
end
redis.call('ZREM', wakes_key, wake_member(generation))
return { OVER }
