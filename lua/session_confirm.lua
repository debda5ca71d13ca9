-- Confirms a hibernation right before its patch: read comes first, then this, then the patch.
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
-- ARGV[3] generation that acts
-- ARGV[4] term of the caller
-- ARGV[5] under the weaker fence: token of the mark of this patch; else empty
-- ARGV[6] how long that mark lasts when nobody reports, in ms
-- Returns {OK}, {OVER} (the decision no longer stands), {FENCED} (a newer leader acts) or {UNDONE} (undone to waking).
-- Emits session.waking when it undoes.
-- Cost O(log n).
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, generation, term = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local token, lasts = ARGV[5], tonumber(ARGV[6])
--@include guard
--@include session
--@include acting
if record.state ~= 'hibernating' or record.generation ~= generation then return { OVER } end
if settings.refuse_lower_term and term < guard_term then return { FENCED } end
if term > guard_term then redis.call('HSET', guard_key, 'term', int(term)) end
if holding or mode ~= 'act' or live_count() > 0 then
  file_wake('sweeper', holding and 'hold' or mode ~= 'act' and 'observe' or 'live_connection')
  return { UNDONE }
end
-- A write, so that a WAIT that follows on this connection waits for the decision itself.
set('confirmed', generation)
if token ~= '' then start_acting(token, lasts) end
return { OK }
