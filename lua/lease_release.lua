-- Gives the lease back at shutdown, if it is still ours; the term stays.
-- KEYS[1] ct:leader                hash    token, term, until and written in ms
-- ARGV[1] token, unique per process start
-- Returns {OK} or {OVER}.
-- Emits nothing. Cost O(1).
local leader_key = KEYS[1]
local token = ARGV[1]
if redis.call('HGET', leader_key, 'token') ~= token then return { OVER } end
redis.call('HSET', leader_key, 'token', '', 'until', '0')
return { OK }
