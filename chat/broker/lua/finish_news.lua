-- A look is done: whoever had to be notified has a job. After the first one the room is looked at once more.
--
-- KEYS  1 again  2 spans  3 looks      (one tag)
-- ARGV  1 look  2 room  3 from  4 upto  5 turn  6 now_ms  7 until the second look (ms)
-- Returns {'again'} when a second look will follow, {'finished'} when not
redis.call('ZREM', KEYS[3], ARGV[1])
if ARGV[5] ~= '1' then return {'finished'} end
local span = redis.call('HGET', KEYS[2], ARGV[2]) or ''
local from, upto, next_from, next_upto = string.match(span, '^(%d+) (%d+) (%d+) (%d+) %d+$')
if not from then
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[3] .. ' ' .. ARGV[4] .. ' 0 0 0')
  redis.call('ZADD', KEYS[1], ARGV[6] + ARGV[7], ARGV[2])
  return {'again'}
end
local lowest = next_from == '0' and ARGV[3] or string.format('%d', math.min(next_from, ARGV[3]))
local highest = string.format('%d', math.max(next_upto, ARGV[4]))
redis.call('HSET', KEYS[2], ARGV[2], table.concat({from, upto, lowest, highest, ARGV[6]}, ' '))
return {'again'}
