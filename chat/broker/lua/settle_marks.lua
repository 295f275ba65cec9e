-- Take marks out of a hash of things to do, but those that were set anew meanwhile: these are to be done again.
--
-- KEYS  1 marks
-- ARGV  1 field  2 value it had, and so on for each mark
-- Returns {'settled', how many were taken out}
local settled = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    settled = settled + redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return {'settled', settled}
