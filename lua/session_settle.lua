-- Ends a hibernation whose patch the platform accepted.
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
-- ARGV[4] version of the object in the answer
-- ARGV[5] token of the mark of this patch, which is over whatever stands by now; or empty
-- Returns {OK}, or {OVER} when another decision or a newer version of the object came meanwhile.
-- Emits session.hibernated.
-- Cost O(1).
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, generation, version, token = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
--@include guard
--@include session
--@include version
--@include acting
if token ~= '' then acting_left(token) end
if record.state ~= 'hibernating' or record.generation ~= generation then return { OVER } end
if record.version and newer(record.version, version) then return { OVER } end
set('version', version)
set_object('hibernated')
move('hibernated', generation, 'sweeper', 'accepted')
-- Where the object does not say who put it to sleep.
if token ~= '' then set('ours', 1) end
redis.call('HDEL', session_key, 'ready', 'refused', 'not_before', 'would')
redis.call('ZREM', deadlines_key, sid)
return { OK }
