-- Included where versions of objects are compared: decimal strings, length first.
local function newer(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end
