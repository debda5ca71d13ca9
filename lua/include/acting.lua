-- Included after session: acts under the weaker fence, where a patch that changes nothing makes no version. Each confirmed
-- patch has a mark `<token>:<until>:<length>` in `acting` of the record until its actor reports how it ended, or until
-- it can no longer take effect.

-- Takes away the mark of `without`, and those that ran out; gives the ms until the last of the others does.
local function acting_left(without)
  local kept, left = {}, 0
  for token, ends, length in string.gmatch(record.acting or '', '(%w+):(%d+):(%d+)') do
    -- Never further ahead than when it was made: the clock may have stepped back since.
    ends = math.min(tonumber(ends), now + tonumber(length))
    if ends > now and token ~= without then
      kept[#kept + 1] = token .. ':' .. int(ends) .. ':' .. length
      left = math.max(left, ends - now)
    end
  end
  local marks = table.concat(kept, ' ')
  if marks ~= (record.acting or '') then
    if marks == '' then unset('acting') else set('acting', marks) end
  end
  return left
end

-- Sent twice, it is one mark.
local function start_acting(token, length)
  acting_left(token)
  local others = record.acting and record.acting .. ' ' or ''
  set('acting', others .. token .. ':' .. int(now + length) .. ':' .. int(length))
end
