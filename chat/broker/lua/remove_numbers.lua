-- Note that numbers of a room stand for no message any more, so that nobody counts them as unread.
--
-- KEYS  1 head  2 removed  3 unstored      (one shard)
-- ARGV  1 room  2… numbers
-- Returns {'removed', how many were not known as removed}   or {'cold'} when there is no head: warm the room first
if redis.call('HEXISTS', KEYS[1], 'epoch') == 0 then return {'cold'} end
local news = 0
for i = 2, #ARGV do
  news = news + redis.call('ZADD', KEYS[2], ARGV[i], ARGV[i])
  redis.call('HSET', KEYS[3], ARGV[1] .. ' #' .. ARGV[i], '1')
end
redis.call('EXPIRE', KEYS[2], 1209600)
return {'removed', news}
