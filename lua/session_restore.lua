-- Brings open rows of Postgres back after a loss, as provisional connections; after the hold, ends rows nobody has.
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
-- ARGV[3] rows JSON: last_opened (ms), connections: list of id, connected_at and last_seen (ms), details (JSON text)
-- Returns {OK, brought back, ended} or {SESSION_UNKNOWN} during a hold: then the platform is to be asked first.
-- Emits connection.closed for rows that no connection stands for. Cost O(rows log n); the caller bounds them.
local guard_key, session_key, connections_key, details_key, deadlines_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local wakes_key, history_key, sessions_key, counts_key = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local settings, sid, rows = cjson.decode(ARGV[1]), ARGV[2], cjson.decode(ARGV[3])
--@include guard
--@include session
if not record.state and holding then return { SESSION_UNKNOWN } end
-- Known to be reported before the loss: it need not be seen again to sleep one day.
if record.state and rows.last_opened and rows.last_opened > tonumber(record.last_opened or 0) then
  set('last_opened', math.min(rows.last_opened, now))
  if record.created then unset('created') end
end
local brought, ended = 0, 0
-- A member stands for the row when both were opened in the same millisecond.
local function stands_for(member, row)
  local detail = redis.call('ZSCORE', connections_key, member) and redis.call('HGET', details_key, member)
  return detail and string.match(detail, '^{"connected_at":(%d+)') == int(row.connected_at)
end
-- Only after a loss, and only what was opened before it: in a hold of another kind nothing is missing, and a close that
-- Postgres has not heard of yet must not bring its connection back.
local life = redis.call('HMGET', guard_key, 'restore', 'born')
local born = life[1] and tonumber(life[2] or now) or 0
local function end_row(row, reason)
  emit('connection.closed', string.format(
    '{"id":"%s","connected_at":%s,"last_seen_at":%s,"ended_at":%s,"reason":"%s","active":%d,"details":{"connected_at":%s,%s}',
    row.id, int(row.connected_at), int(row.last_seen), int(row.last_seen), reason, live_count(), int(row.connected_at), string.sub(row.details, 2)))
  ended = ended + 1
end
for _, row in ipairs(rows.connections) do
  local provisional = '?' .. row.id
  if not stands_for(row.id, row) and not stands_for(provisional, row) then
    if redis.call('ZSCORE', connections_key, row.id) then
      -- Its gateway was faster and has opened it again.
      end_row(row, 'reopened')
    elseif not holding or record.state == 'terminated' then
      end_row(row, 'lost')
    elseif row.connected_at < born and redis.call('HEXISTS', details_key, row.id) == 0
      and redis.call('HEXISTS', details_key, provisional) == 0 then
      -- Older than any window: it counts only because of the hold, and no heartbeat finds it. A tombstone keeps it away.
      redis.call('ZADD', connections_key, int(now - settings.window_ms - 1), provisional)
      local detail = string.format('{"connected_at":%s,"last_seen":%s,', int(row.connected_at), int(row.last_seen)) .. string.sub(row.details, 2)
      redis.call('HSET', details_key, provisional, detail)
      count_protocol(detail, 1)
      brought = brought + 1
    end
  end
end
if brought > 0 then look_again_by(hold_until) end
return { OK, brought, ended }
