-- Included after `guard_key` and `settings` are named. settings.run_id is the server's, as this connection read it.
-- Reads the one clock that decides, TIME of this server, and the partition's guard; notices lost
-- data, gaps, backward steps and another server behind the same address, and starts the hold.
-- Gives: now, epoch, mode, holding, int(), next_generation(), start_hold(), guard_term.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Numbers as text: tostring() keeps 14 digits and would turn larger ones into 1e+15.
local function int(value)
  return string.format('%.0f', value)
end

local guard_row = redis.call('HMGET', guard_key, 'epoch', 'seen', 'hold_until', 'last', 'mode', 'run_id', 'term')
local epoch, mode, seen_run_id = guard_row[1], guard_row[5] or 'observe', guard_row[6]
local seen, hold_until = tonumber(guard_row[2] or now), tonumber(guard_row[3] or 0)
local last_generation, guard_term = tonumber(guard_row[4] or 0), tonumber(guard_row[7] or 0)

local function start_hold(duration, reason)
  if now + duration > hold_until then
    hold_until = now + duration
    redis.call('HSET', guard_key, 'hold_until', int(hold_until), 'hold_reason', reason, 'hold_since', int(now))
  end
end

if not epoch then
  -- No guard: the data is gone (or this is the first start). A random epoch names the new life.
  epoch = string.sub(redis.sha1hex(settings.nonce .. clock[1] .. clock[2] .. guard_key), 1, 16)
  redis.call('HSET', guard_key, 'epoch', epoch, 'seen', int(now), 'mode', 'observe', 'restore', '1', 'born', int(now))
  start_hold(settings.hold_ms, 'data_lost')
elseif now - seen > settings.gap_ms then
  redis.call('HSET', guard_key, 'seen', int(now))
  start_hold(settings.hold_ms, 'gap')
elseif seen - now > settings.backward_ms then
  -- Every deadline lies too far ahead by the step: the sweep looks at each once again, page by page.
  redis.call('HSET', guard_key, 'seen', int(now), 'look_again', '0')
  hold_until = 0
  start_hold(settings.hold_ms, 'clock_stepped_back')
end
if hold_until > now + settings.hold_ms then
  hold_until = now + settings.hold_ms
  redis.call('HSET', guard_key, 'hold_until', int(hold_until))
end
if settings.run_id ~= seen_run_id then
  redis.call('HSET', guard_key, 'run_id', settings.run_id)
  -- Another server answers: a failover or a restart may have lost the opens of its last second.
  if seen_run_id then start_hold(settings.failover_hold_ms, 'server_changed') end
end
local holding = hold_until > now

-- Raised by every decision and never handed out twice, also after a failover that lost writes:
-- at least TIME in ms, above all handed out here and above every annotation seen.
local function next_generation(annotation)
  last_generation = math.max(now, last_generation + 1, (annotation or 0) + 1)
  redis.call('HSET', guard_key, 'last', int(last_generation))
  return last_generation
end
