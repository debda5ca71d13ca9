-- Included by connection_open, when `known`, `user_of()` and `details` are named: gives `connected_at`, and `provisional`
-- where the connection was brought back from Postgres after a loss. Opening it is a whole open, and its row goes on.
local connected_at = now
local provisional = not known and redis.call('ZSCORE', connections_key, '?' .. cid) and redis.call('HGET', details_key, '?' .. cid)
if provisional then
  if user_of(provisional) == user_of(details) then
    connected_at = tonumber(string.match(provisional, '^{"connected_at":(%d+)') or now)
  else
    end_connection('?' .. cid, now, now, 'expired')
    provisional = nil
  end
end
