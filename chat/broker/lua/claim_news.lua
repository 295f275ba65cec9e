-- Take rooms with news whose time has come, to look who of them is to be notified. A look that nobody finished in
-- its time is taken again.
--
-- KEYS  1 news  2 from  3 upto  4 again  5 spans  6 looks      (one tag)
-- ARGV  1 now_ms  2 lease (ms)  3 how many at most  4 until the second look (ms)
-- Returns {'looks', 'ROOM FROM UPTO TURN', ...}
-- A span is `FROM UPTO NEXT_FROM NEXT_UPTO LAST`: what the second look is about, and what was looked at since the
-- first for which it waits (0 none): that gets a second look of its own, counted from LAST.
local now, left, answer = tonumber(ARGV[1]), tonumber(ARGV[3]), {'looks'}
local function take(look)
  redis.call('ZADD', KEYS[6], now + ARGV[2], look)
  answer[#answer + 1] = look
  left = left - 1
end
for _, look in ipairs(redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', now, 'LIMIT', 0, left)) do take(look) end
if left > 0 then
  for _, room in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, left)) do
    local from = redis.call('ZSCORE', KEYS[2], room)
    local upto = redis.call('ZSCORE', KEYS[3], room)
    for i = 1, 3 do redis.call('ZREM', KEYS[i], room) end
    if from and upto then take(room .. ' ' .. from .. ' ' .. upto .. ' 1') end
  end
end
if left > 0 then
  for _, room in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, left)) do
    local span = redis.call('HGET', KEYS[5], room) or ''
    local from, upto, next_from, next_upto, last = string.match(span, '^(%d+) (%d+) (%d+) (%d+) (%d+)$')
    if next_from and next_from ~= '0' then
      redis.call('HSET', KEYS[5], room, next_from .. ' ' .. next_upto .. ' 0 0 0')
      redis.call('ZADD', KEYS[4], last + ARGV[4], room)
    else
      redis.call('HDEL', KEYS[5], room)
      redis.call('ZREM', KEYS[4], room)
    end
    if from then take(room .. ' ' .. from .. ' ' .. upto .. ' 2') end
  end
end
return answer
