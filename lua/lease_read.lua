-- Reads who holds the lease of the sweeper.
-- KEYS[1] ct:leader                hash    token, term, until, written and holder
-- Returns {OK, now, holder or '' when it is free, term, until in ms, last renewal in ms}.
-- Emits nothing. Cost O(1).
local leader_key = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local row = redis.call('HMGET', leader_key, 'token', 'term', 'until', 'written', 'holder')
local term, ends, written = tonumber(row[2] or 0), tonumber(row[3] or 0), tonumber(row[4] or 0)
-- Free by the same rule as in lease_acquire.
local held = row[1] and row[1] ~= '' and ends > now and written <= now + 1000
return { OK, now, held and row[5] or '', term, ends, written }
