-- Brings what the platform shows of an object into the record: the whole table of the protocol.
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
-- ARGV[3] object JSON: gone, uid, version, desired, ready, probing, annotation, idle_timeout_ms, url, created_ms, made_ms, over, list_version
-- Returns {OK, state}, {CONTESTED, state} (this was one flip too many: it is left alone), {OLDER, state, version} (not newer than that one, which the record has seen) or {SESSION_UNKNOWN} (gone and unknown).
-- Emits session.* for what changed, connection.closed when the session ended.
-- Cost O(log n); O(connections) when the session ended.
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, object = cjson.decode(ARGV[1]), ARGV[2], cjson.decode(ARGV[3])
--@include guard
--@include session
--@include version
--@include acting
--@include ready
-- A list taken after the record was found to have seen `over` is older than that: the platform was restored.
-- The record must still stand there, else what it has seen since would be taken back.
local function went_back()
  return object.list_version and record.version == object.over and newer(record.version, object.list_version)
end
-- No generation is ever handed out at or below an annotation that was seen.
local annotation = object.annotation or 0
if annotation > last_generation then
  last_generation = annotation
  redis.call('HSET', guard_key, 'last', int(annotation))
end
--@include terminated
-- Not newer than what was seen: late news. After a restore of the platform versions go down; only a list
-- taken later whose own version is below the one seen proves that.
if record.version and record.uid == object.uid and not newer(object.version, record.version)
  and not went_back() and not is_reached() then
  return { OLDER, record.state, record.version }
end
if record.state == 'terminated' then return { OK, record.state } end
local first = not record.state
local timeout_changed = (object.idle_timeout_ms or settings.idle_timeout_ms) ~= idle_timeout()
set('uid', object.uid)
set('version', object.version)
if object.made_ms and int(object.made_ms) ~= record.made then set('made', object.made_ms) end
set_object(object.desired)
set_ready()
if (object.url or '') ~= (record.url or '') then set('url', object.url or '') end
-- Kept until the first open, which says more.
if not record.last_opened and object.created_ms and not record.created then set('created', math.min(object.created_ms, now)) end
if object.idle_timeout_ms then set('idle_timeout', object.idle_timeout_ms) elseif record.idle_timeout then unset('idle_timeout') end

-- The object carries the generation, or (under the weaker fence) its patch was answered and nothing was decided since.
local reached = annotation >= record.generation or tonumber(record.accepted or -1) == record.generation
local runs = object.desired == 'running'

--@include hands

if first then
  redis.call('SADD', sessions_key, sid)
  if runs then run(next_generation(), false, 'platform', 'first_seen') else move('hibernated', next_generation(), 'platform', 'first_seen') end
elseif record.state == 'waking' and reached then
  if not runs then by_hand()
  elseif object.ready then
    redis.call('HDEL', session_key, 'error', 'error_kind', 'attempts')
    run(record.generation, true, 'platform', 'ready', true)
  end
elseif record.state == 'running' then
  if not runs then by_hand()
  elseif not record.fenced and reached then set('fenced', 1) end
elseif record.state == 'hibernating' and not runs then
  -- Our own patch, seen before its answer was; or a hand's, while ours was on its way.
  local is_acting = acting_left() > 0
  local ours = annotation == record.generation or is_acting
  move('hibernated', record.generation, ours and 'sweeper' or 'platform', ours and 'accepted' or 'observed_at_rest')
  if is_acting then set('ours', 1) end
  redis.call('HDEL', session_key, 'refused', 'not_before', 'would')
  redis.call('ZREM', deadlines_key, sid)
elseif runs and (record.state == 'hibernated' or (record.state == 'hibernating' and reached)) then
  contested()
  run(next_generation(), false, 'platform', 'woken_by_hand')
end
if timeout_changed and record.state == 'running' and record.empty_since and idle_timeout() >= 0 then
  look_again_by(tonumber(record.empty_since) + idle_timeout())
end
return { left_alone and CONTESTED or OK, record.state }
