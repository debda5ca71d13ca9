-- Proves that Redis answered: writes the watermark `seen`, whichever replica comes first.
-- KEYS[1] ct:{t}:guard             hash    the partition's guard
-- ARGV[1] settings JSON
-- Returns {OK, version of the mode held (0: none), 1 during a hold}.
-- Emits nothing. Cost O(1).
local guard_key = KEYS[1]
local settings = cjson.decode(ARGV[1])
--@include guard
if now - seen >= settings.watermark_ms then redis.call('HSET', guard_key, 'seen', int(now)) end
-- Without `adopt` it was copied by a version that did not know it: to be copied again.
local held = redis.call('HMGET', guard_key, 'mode_version', 'adopt')
return { OK, held[2] and tonumber(held[1] or 0) or 0, holding and 1 or 0 }
