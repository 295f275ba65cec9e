-- Remove consumers of an outbox that are gone. In one step, because a consumer that takes an entry between the
-- look and the removal would lose it: it is delivered already, and nobody's pending entry any more.
--
-- KEYS  1 outbox
-- ARGV  1 group  2 idle time in ms after which a consumer that holds nothing counts as gone
-- Returns {'forgot', how many}
local gone = 0
if redis.call('EXISTS', KEYS[1]) == 0 then return {'forgot', 0} end
local rows = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if rows.err then return {'forgot', 0} end -- the group is missing: the next drain makes it
for _, row in ipairs(rows) do
  local of = {}
  for i = 1, #row, 2 do of[row[i]] = row[i + 1] end
  if of.pending == 0 and of.idle > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], of.name)
    gone = gone + 1
  end
end
return {'forgot', gone}
