-- Included by connection_open, when `known`, `user_of()` and `details` are named: gives `connected_at`.
-- Brought back from Postgres after a loss: opening it is a whole open, and its row goes on.
local connected_at = now
local provisional = not known and redis.call('ZSCORE', connections_key, '?' .. cid)
if provisional then
  local was = redis.call('HGET', details_key, '?' .. cid)
  if user_of(was) == user_of(details) then
    connected_at = tonumber(string.match(was, '^{"connected_at":(%d+)') or now)
    count_protocol(was, -1)
    redis.call('ZREM', connections_key, '?' .. cid)
    redis.call('HDEL', details_key, '?' .. cid)
  else
    end_connection('?' .. cid, now, now, 'expired')
  end
end
