-- Opens one connection; wakes the session where a person asks for one that sleeps.
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
-- ARGV[3] connection id
-- ARGV[4] details JSON of the connection, without `connected_at`
-- ARGV[5] intent user, reconnect or probe
-- ARGV[6] replaces: id of the connection this one replaces, or empty
-- Returns {OK or ALREADY, state, live connections, ready, generation of the wake now filed or 0, url};
--   {LIMIT_REACHED, limit, used, user of the oldest}; or {CLOSED}, {CONFLICT}, {SESSION_UNKNOWN},
--   {SESSION_TERMINATED}, {SESSION_HIBERNATED}, {CONTESTED, ms until it is no longer left alone}.
-- Emits connection.opened; connection.closed for what it replaces or what gives way; connection.expired where
--   slots are limited; session.waking.
-- Cost O(log n) in the connections of the session.
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, cid, details, intent, replaces = cjson.decode(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
--@include guard
--@include session
--@include tombstones
if not record.state then return { SESSION_UNKNOWN } end
if record.state == 'terminated' then return { SESSION_TERMINATED } end
local asleep = record.state == 'hibernated' or record.state == 'hibernating'
if asleep and intent ~= 'user' then return { SESSION_HIBERNATED } end
-- Others keep changing the object back: it is left alone, and whoever comes is told so.
local contested_until = asleep and instant('contested_until', settings.contested_ms) or 0
if contested_until > now then return { CONTESTED, contested_until - now } end

local known = redis.call('ZSCORE', connections_key, cid)
local detail = redis.call('HGET', details_key, cid)
local function user_of(json)
  return json and cjson.decode(json).user
end
if known then
  if user_of(detail) ~= user_of(details) then return { CONFLICT } end
elseif tombstone_left(detail) > 0 then
  return { CLOSED }
end

--@include provisional
local code = known and ALREADY or OK
if not known then
  local replaced_at = replaces ~= '' and redis.call('ZSCORE', connections_key, replaces)
  if replaces ~= '' and not replaced_at then
    -- Perhaps its ghost, brought back from Postgres.
    replaces = '?' .. replaces
    replaced_at = redis.call('ZSCORE', connections_key, replaces)
  end
  if replaced_at then
    if user_of(redis.call('HGET', details_key, replaces)) ~= user_of(details) then return { CONFLICT } end
    end_connection(replaces, tonumber(replaced_at), now, 'replaced', settings.tombstone_ms)
  end
--@include limit
  if provisional then
    count_protocol(provisional, -1)
    redis.call('ZREM', connections_key, '?' .. cid)
    redis.call('HDEL', details_key, '?' .. cid)
  end
  details = '{"connected_at":' .. int(connected_at) .. ',' .. string.sub(details, 2)
  redis.call('HSET', details_key, cid, details)
  count_protocol(details, 1)
end
redis.call('ZADD', connections_key, int(now), cid)
local live = live_count()
if not known then
  emit('connection.opened', string.format('{"id":"%s","connected_at":%s,"active":%d,"details":%s}', cid, int(connected_at), live, details))
  set('last_opened', now)
  if record.created then unset('created') end
end
if record.empty_since then unset('empty_since') end
purge_tombstones()

local wake = 0
if asleep or (record.state == 'running' and not record.fenced) then
  -- Not fenced: an older hibernation may still be on its way, so the object is written once.
  file_wake('open', asleep and 'connection_opened' or 'not_fenced')
  wake = record.generation
elseif not known then
  look_again_by(now + settings.first_look_ms)
end
local ready = record.state == 'running' and record.ready == '1' and 1 or 0
return { code, record.state, live, ready, wake, record.url or '' }
