-- Claims a wake entry for a while, so that one process at a time works on it.
-- KEYS[1] ct:{t}:wakes             zset    <sid>:<generation>, when to try, in ms
-- ARGV[1] entry, <sid>:<generation>
-- ARGV[2] how long the claim lasts, in ms
-- ARGV[3] longest time an entry may lawfully lie ahead, in ms
-- ARGV[4] called: it was parked by a claim while it queued, and its turn has come; or empty
-- Returns {OK}, {HELD} (claimed, or not yet due) or {OVER} (no such entry).
-- Emits nothing. Cost O(log n).
local wakes_key = KEYS[1]
local entry, claim, longest, called = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == 'called'
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local at = tonumber(redis.call('ZSCORE', wakes_key, entry) or '')
if not at then return { OVER } end
-- One that lies further ahead than any claim or back-off was written before the clock stepped back.
if not called and at > now and at <= now + longest then return { HELD } end
redis.call('ZADD', wakes_key, 'XX', string.format('%.0f', now + claim), entry)
return { OK }
