-- Records that the platform refused a hibernation; after five refusals it is given up for a while.
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
-- ARGV[3] generation that acted
-- ARGV[4] what the platform said
-- ARGV[5] token of the mark of this patch, which is over whatever stands by now; or empty
-- Returns {OK} (tried again at its deadline), {ABANDONED} (running, not fenced) or {OVER}.
-- Emits session.abandoned, session.running.
-- Cost O(log n).
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, generation, reason, token = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
--@include guard
--@include session
--@include acting
if token ~= '' then acting_left(token) end
if record.state ~= 'hibernating' or record.generation ~= generation then return { OVER } end
local refused = tonumber(record.refused or 0) + 1
set('refused', refused)
set('error', reason)
if refused % 5 ~= 0 then return { OK } end
record_event('abandoned', 'platform', reason, { refused = refused })
-- Not fenced: an attempt whose outcome nobody knows (its actor died) may still land.
run(next_generation(), false, 'platform', 'refused', true)
set('not_before', now + math.min(60000 * 2 ^ (refused / 5 - 1), 900000))
look_again_at(tonumber(record.not_before))
return { ABANDONED }
