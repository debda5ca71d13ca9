-- Copies the mode from Postgres into a partition's guard; an older version never replaces a newer one.
-- KEYS[1] ct:{t}:guard             hash    the partition's guard
-- ARGV[1] settings JSON
-- ARGV[2] mode, observe or act
-- ARGV[3] version of the mode's row
-- ARGV[4] adopt, none or all
-- ARGV[5] since when the service is armed, in ms by the clock of Postgres; 0 in mode observe
-- Returns {OK} or {OLDER}.
-- Emits nothing. Cost O(1).
local guard_key = KEYS[1]
local settings, new_mode, version, adopt, armed_at = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
--@include guard
if tonumber(redis.call('HGET', guard_key, 'mode_version') or 0) > version then return { OLDER } end
redis.call('HSET', guard_key, 'mode', new_mode, 'mode_version', int(version), 'adopt', adopt)
-- From Postgres, so that a loss of Redis does not arm anew; who connected before it is still known to be reported.
if new_mode == 'act' then redis.call('HSET', guard_key, 'armed_at', int(armed_at)) else redis.call('HDEL', guard_key, 'armed_at') end
return { OK }
