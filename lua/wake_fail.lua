-- Records why a wake failed and when its entry is tried again.
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
-- ARGV[4] what went wrong
-- ARGV[5] when to try again, in ms from now
-- ARGV[6] refused, or unavailable: whether the platform said no, or said nothing
-- Returns {OK} or {OVER}.
-- Emits nothing. Cost O(log n).
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, generation, reason = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4]
local delay, kind = tonumber(ARGV[5]), ARGV[6]
--@include guard
--@include session
if record.state ~= 'waking' or record.generation ~= generation then return { OVER } end
set('error', reason)
set('error_kind', kind)
redis.call('ZADD', wakes_key, 'XX', int(now + delay), wake_member(generation))
return { OK }
