-- Included after guard.lua, when the nine keys of a session and `sid` are named.
-- The record of the session and the steps that several scripts share.
local fields = { 'state', 'generation', 'fenced', 'since', 'uid', 'version', 'object', 'ready', 'empty_since',
  'last_opened', 'due_at', 'idle_timeout', 'attempts', 'refused', 'not_before', 'would', 'url', 'purge_at', 'created',
  'last_disconnect', 'awake_until', 'flips', 'flipped_at', 'contested_until', 'accepted', 'acting', 'made' }
local function read_record()
  local found = {}
  for i, value in ipairs(redis.call('HMGET', session_key, unpack(fields))) do
    found[fields[i]] = value or nil
  end
  found.generation = tonumber(found.generation or 0)
  return found
end
local record = read_record()

local function set(field, value)
  if type(value) == 'number' then value = int(value) end
  record[field] = value
  redis.call('HSET', session_key, field, value)
end

local function unset(field)
  record[field] = nil
  redis.call('HDEL', session_key, field)
end

-- What the object's specification asks for; only what is not the rule costs memory.
local function set_object(desired)
  if desired ~= 'running' then set('object', desired) elseif record.object then unset('object') end
end

-- An instant that was kept: never further away than it can lawfully be (the clock may have stepped back).
local function instant(field, longest_ahead)
  local value = tonumber(record[field])
  if value and value > now + longest_ahead then
    value = now
    set(field, value)
  end
  return value
end

-- The stream is the outbox of Postgres; at its limit history is not taken, but no user waits for it.
local function emit(kind, data)
  if redis.call('XLEN', history_key) >= settings.stream_limit then
    redis.call('HINCRBY', guard_key, 'history_dropped', 1)
  else
    redis.call('XADD', history_key, '*', 'epoch', epoch, 'type', kind, 'session', sid, 'data', data)
  end
end

local function record_event(kind, actor, reason, inputs)
  -- cjson writes 14 digits; a generation lifted above a foreign annotation has up to 16.
  local rest = cjson.encode({ actor = actor, reason = reason, inputs = inputs })
  emit('session.' .. kind, '{"at":' .. int(now) .. ',"generation":' .. int(record.generation) .. ',' .. string.sub(rest, 2))
end

local function wake_member(generation)
  return sid .. ':' .. int(generation)
end

local function live_count()
  if holding then return redis.call('ZCARD', connections_key) end
  return redis.call('ZCOUNT', connections_key, '(' .. int(now - settings.window_ms), '+inf')
end

local function idle_timeout()
  return tonumber(record.idle_timeout or settings.idle_timeout_ms)
end

-- Deadlines are lazy lower bounds: the review finds out what is really due.
local function look_again_at(at)
  redis.call('ZADD', deadlines_key, int(math.min(at, now + 3600000)), sid)
end

local function look_again_by(at)
  redis.call('ZADD', deadlines_key, 'LT', int(math.min(at, now + 3600000)), sid)
end

local function move(state, generation, actor, reason, inputs)
  if record.state == 'waking' then redis.call('ZREM', wakes_key, wake_member(record.generation)) end
  if record.state ~= state then
    if record.state then redis.call('HINCRBY', counts_key, 'state:' .. record.state, -1) end
    redis.call('HINCRBY', counts_key, 'state:' .. state, 1)
    set('since', now)
  end
  set('generation', generation)
  record.generation = generation
  set('state', state)
  redis.call('HDEL', session_key, 'confirmed', 'fenced', 'due_at', 'accepted', 'ours')
  record.fenced, record.due_at, record.accepted = nil, nil, nil
  record_event(state, actor, reason, inputs)
end

-- To waking with the next generation and a durable entry: this is what cancels a hibernation.
local function file_wake(actor, reason, delay, inputs)
  -- What went wrong with an earlier wake, or with a hibernation, says nothing about this one.
  if record.state ~= 'waking' then redis.call('HDEL', session_key, 'error', 'error_kind', 'attempts') end
  move('waking', next_generation(), actor, reason, inputs)
  set('since', now)
  set('due_at', now + (delay or 0))
  redis.call('ZADD', wakes_key, int(now + (delay or 0)), wake_member(record.generation))
  look_again_by(now + math.min(settings.start_limit_ms, settings.window_ms * 2))
end

-- To running; the idle clock starts where it stood (`kept`) or anew.
local function run(generation, fenced, actor, reason, kept)
  move('running', generation, actor, reason)
  if fenced then set('fenced', 1) end
  if live_count() > 0 then
    unset('empty_since')
    look_again_at(now + settings.first_look_ms)
  else
    if not (kept and record.empty_since) then set('empty_since', now) end
    -- Silent ones (since it began to wake) have to end first, and not an idle timeout late.
    local silent = redis.call('ZCARD', connections_key) > 0
    look_again_at(silent and now or tonumber(record.empty_since) + math.max(idle_timeout(), 0))
  end
end

-- The caller's own map comes last in the details and may name anything.
local function count_protocol(detail, by)
  redis.call('HINCRBY', counts_key, 'connections', by)
  local own = string.match(detail, '^(.-)"metadata":') or detail
  redis.call('HINCRBY', counts_key, 'protocol:' .. (string.match(own, '"protocol":"([%w._-]+)"') or 'unknown'), by)
end

-- Ends one connection: the one place that makes the end of a history row. `?<id>` is a provisional one, brought
-- back from Postgres: the details hold when it was last seen. Gives the instant of its last heartbeat.
local function end_connection(member, last_seen, ended_at, reason, tombstone)
  redis.call('ZREM', connections_key, member)
  local detail = redis.call('HGET', details_key, member) or '{"user":"unknown"}'
  local connected_at = string.match(detail, '^{"connected_at":(%d+)') or int(last_seen)
  local cid = member
  if string.sub(member, 1, 1) == '?' then
    cid = string.sub(member, 2)
    last_seen = tonumber(string.match(detail, '^{"connected_at":%d+,"last_seen":(%d+)') or last_seen)
    if reason == 'expired' then ended_at = last_seen end
  end
  count_protocol(detail, -1)
  if tombstone then
    redis.call('HSET', details_key, cid, '{"closed_at":' .. int(now) .. ',"keep_ms":' .. int(tombstone) .. '}')
  end
  if not tombstone or cid ~= member then redis.call('HDEL', details_key, member) end
  emit(reason == 'expired' and 'connection.expired' or 'connection.closed', string.format(
    '{"id":"%s","connected_at":%s,"last_seen_at":%s,"ended_at":%s,"reason":"%s","active":%d,"details":%s}',
    cid, connected_at, int(last_seen), int(ended_at), reason, live_count(), detail))
  return last_seen
end

-- Terminated: connections end with it, at most `limit` at once; the review takes the rest.
local function end_all_connections(reason, limit)
  local members = redis.call('ZRANGE', connections_key, 0, limit - 1, 'WITHSCORES')
  for i = 1, #members, 2 do
    end_connection(members[i], tonumber(members[i + 1]), now, reason, settings.tombstone_ms)
  end
  return redis.call('ZCARD', connections_key)
end

local function terminate(reason)
  move('terminated', next_generation(), 'platform', reason)
  if end_all_connections('session_terminated', 1000) > 0 then look_again_at(now)
  else look_again_at(now + settings.terminated_ms) end
end
