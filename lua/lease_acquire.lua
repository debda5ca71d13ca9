-- Takes or renews the lease of the sweeper; every change of holder raises the term.
-- KEYS[1] ct:leader                hash    token, term, until and written in ms
-- ARGV[1] token, unique per process start
-- ARGV[2] how long the lease lasts, in ms
-- ARGV[3] highest term known elsewhere (Postgres), the floor of a new one
-- ARGV[4] name of the holder, for people
-- Returns {OK, term} or {HELD, term, ms until it ends}.
-- Emits nothing. Cost O(1).
local leader_key = KEYS[1]
local token, duration, floor, holder = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function int(value)
  return string.format('%.0f', value)
end
local row = redis.call('HMGET', leader_key, 'token', 'term', 'until', 'written')
local term, ends, written = tonumber(row[2] or 0), tonumber(row[3] or 0), tonumber(row[4] or 0)
-- A lease written in the future is void: the clock stepped back, and it might never end.
local held = row[1] and row[1] ~= '' and ends > now and written <= now + 1000
if held and row[1] ~= token then return { HELD, term, ends - now } end
if not held or row[1] ~= token then term = math.max(now, term + 1, floor + 1) end
redis.call('HSET', leader_key, 'token', token, 'term', int(term), 'until', int(now + duration), 'written', int(now), 'holder', holder)
return { OK, term }
