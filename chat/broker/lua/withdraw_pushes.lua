-- A user has read a room up to a message: what waits to be told of it is not, and what was shown is cleared.
--
-- KEYS  1 due  2 jobs  3 shown      (one tag: the provider)
-- ARGV  1 room  2 user  3 seq that was read  4 now_ms
-- Returns {'withdrawn', how many jobs are gone, how many clear a notification now}
local read, gone, clears = tonumber(ARGV[3]), 0, 0
local known = redis.call('HGETALL', KEYS[3])
for i = 1, #known, 2 do
  local device, shown = known[i], tonumber(string.match(known[i + 1], '^%d+'))
  local name = ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. device
  local job = redis.call('HGET', KEYS[2], name)
  local notice, seq, token = string.match(job or '', '^(%a) (%d+) %d+ %d+ %d+ (%S+)$')
  local clear = 'c ' .. ARGV[3] .. ' 0 0 ' .. ARGV[4] .. ' '
  if notice == 'm' and tonumber(seq) <= read then
    if token ~= '-' and token ~= '?' then  -- under way: whoever sends it clears it
      redis.call('HSET', KEYS[2], name, clear .. token)
      clears = clears + 1
    elseif shown > 0 or token == '?' then
      redis.call('HSET', KEYS[2], name, clear .. '-')
      redis.call('ZADD', KEYS[1], ARGV[4], name)
      clears = clears + 1
    else
      redis.call('HDEL', KEYS[2], name)
      redis.call('ZREM', KEYS[1], name)
      redis.call('HDEL', KEYS[3], device)
      gone = gone + 1
    end
  elseif not notice and shown > 0 and shown <= read then
    redis.call('HSET', KEYS[2], name, clear .. '-')
    redis.call('ZADD', KEYS[1], ARGV[4], name)
    clears = clears + 1
  end
end
return {'withdrawn', gone, clears}
