-- Copies the mode from Postgres into a partition's guard; an older version never replaces a newer one.
-- KEYS[1] ct:{t}:guard             hash    the partition's guard
-- ARGV[1] settings JSON
-- ARGV[2] mode, observe or act
-- ARGV[3] version of the mode's row
-- ARGV[4] adopt, none or all
-- Returns {OK} or {OLDER}.
-- Emits nothing. Cost O(1).
local guard_key = KEYS[1]
local settings, new_mode, version, adopt = cjson.decode(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4]
--@include guard
if tonumber(redis.call('HGET', guard_key, 'mode_version') or 0) > version then return { OLDER } end
redis.call('HSET', guard_key, 'mode', new_mode, 'mode_version', int(version), 'adopt', adopt)
if new_mode == 'act' and mode ~= 'act' then redis.call('HSET', guard_key, 'armed_at', int(now)) end
return { OK }
