-- Wakes a session by hand: files a wake where it sleeps or is about to; its idle clock starts anew.
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
-- ARGV[3] who asks
-- ARGV[4] why
-- Returns {WAKE, generation filed}, {ALREADY, generation} (it runs, or is waking), {SESSION_UNKNOWN} or {SESSION_TERMINATED}.
-- Emits session.waking. Cost O(log n).
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, by, reason = cjson.decode(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
--@include guard
--@include session
if not record.state then return { SESSION_UNKNOWN } end
if record.state == 'terminated' then return { SESSION_TERMINATED } end
-- A person decided: what was left alone is taken up again.
if record.contested_until then unset('contested_until') end
if record.state == 'running' or record.state == 'waking' then return { ALREADY, record.generation } end
if record.empty_since then unset('empty_since') end
file_wake('operator', reason, 0, { by = by })
return { WAKE, record.generation }
