-- A server's leases of many users last from now on anew; a shorter one than before is taken too.
--
-- KEYS  1 due  then for each user: lease, rooms      (one shard)
-- ARGV  1 server  2 length of the leases (ms)  then the users
-- Returns {'renewed', user...}   the users whose lease is gone: they have to arrive again
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answer = {'renewed'}
for i = 3, #ARGV do
  local lease = KEYS[2 * i - 4]
  if redis.call('ZSCORE', lease, ARGV[1]) and redis.call('ZSCORE', KEYS[1], ARGV[i]) then
    redis.call('ZADD', lease, now + ARGV[2], ARGV[1])
    redis.call('ZADD', KEYS[1], redis.call('ZREVRANGE', lease, 0, 0, 'WITHSCORES')[2], ARGV[i])
    redis.call('EXPIRE', lease, 86400)
    redis.call('EXPIRE', KEYS[2 * i - 3], 86400)
  else
    answer[#answer + 1] = ARGV[i]
  end
end
return answer
