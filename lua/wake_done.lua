-- Removes the entry of a wake whose patch the platform accepted; under the weaker fence ends the wake, too.
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
-- ARGV[4] version of the object in the answer
-- ARGV[5] under the weaker fence: ready, probing or starting, as the answer shows it; else empty
-- Returns {OK}, or {OVER} when the generation is over, or {OLDER} when something newer of the object was seen:
--   then read again, the entry stays.
-- Emits session.running. Cost O(log n).
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, generation, version, shown = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
--@include guard
--@include session
--@include version
if record.state ~= 'waking' or record.generation ~= generation then
  redis.call('ZREM', wakes_key, wake_member(generation))
  return { OVER }
end
if record.version and newer(record.version, version) then return { OLDER } end
redis.call('ZREM', wakes_key, wake_member(generation))
redis.call('HDEL', session_key, 'error', 'error_kind')
-- From here on it is up to the platform: its start limit counts from now, however long the wake had queued.
set('due_at', now)
if shown ~= '' then
  -- The object carries no generation: that ours was accepted is kept here. Where nothing changed no event will come.
  -- Its probe may have succeeded before it was known here that the version is ours.
  if shown == 'probing' and record.ready == '1' and record.version == version then shown = 'ready' end
  set('version', version)
  set_object('running')
  set('accepted', generation)
  if shown == 'ready' then
    set('ready', 1)
    redis.call('HDEL', session_key, 'attempts')
    run(generation, true, 'platform', 'ready', true)
  elseif shown == 'probing' then
    set('ready', 'probing')
  elseif record.ready then
    unset('ready')
  end
end
return { OK }
