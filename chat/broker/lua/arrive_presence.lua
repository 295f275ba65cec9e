-- A user is with a server, and in rooms there, until the lease ends.
--
-- KEYS  1 lease  2 rooms  3 due      (one shard)
-- ARGV  1 user  2 server  3 length of the lease (ms)  4 how many rooms the user joined there
--       then those rooms, and behind them rooms in which the user is without having joined
-- Returns {'online' | 'already', at, room...}   at: µs since 1970; rooms in which the user was not before
-- Who stands in `due` was told to be online, whether or not the lease has ended since: only a sweep or a leave
-- takes a user out of it, and tells that.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {'already', time[1] * 1000000 + time[2]}
if not redis.call('ZSCORE', KEYS[3], ARGV[1]) then
  answer[1] = 'online'
  redis.call('DEL', KEYS[1], KEYS[2])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[2])
redis.call('ZADD', KEYS[3], redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2], ARGV[1])
for i = 5, #ARGV do
  local place = (i < 5 + ARGV[4] and ARGV[2] or '*') .. ' '
  local places = redis.call('HGET', KEYS[2], ARGV[i]) or ''
  if places == '' then answer[#answer + 1] = ARGV[i] end
  if not string.find(places, place, 1, true) then redis.call('HSET', KEYS[2], ARGV[i], places .. place) end
end
redis.call('EXPIRE', KEYS[1], 86400)
redis.call('EXPIRE', KEYS[2], 86400)
return answer
