-- Note up to which number messages of rooms name anybody; a room that Redis does not know stays unknown.
--
-- KEYS  1 head, and one more for each further room (one shard)
-- ARGV  1 number, and one more for each further room
-- Returns {'noted', how many rooms know more than before}
local noted = 0
for i, head in ipairs(KEYS) do
  local epoch, known = unpack(redis.call('HMGET', head, 'epoch', 'mentioned'))
  if epoch and tonumber(ARGV[i]) > tonumber(known or -1) then
    redis.call('HSET', head, 'mentioned', ARGV[i])
    noted = noted + 1
  end
end
return {'noted', noted}
