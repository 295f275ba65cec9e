-- Start a room's numbering in Redis from what the store knows, under a new epoch.
--
-- KEYS  1 head  2 log  3 outbox  4 removed  5 read      (one shard)
-- ARGV  1 epoch  2 last seq in the store  3 room  4 epochs of its newest messages (FROM:EPOCH …, ascending)
--       5… numbers that stand for no message
-- Returns {'warmed', epoch, seq}   or {'warm', epoch, seq} when another caller was first
local epoch, seq = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'seq'))
if epoch then return {'warm', epoch, tonumber(seq)} end

-- Messages may still wait in the outbox when only the head was lost (an operator's DEL: it outlives
-- them otherwise); their numbers are taken. Bounded, because every room's first use comes by here.
local last = tonumber(ARGV[2])
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 500)) do
  local room, first, count = string.match(entry[2][2], '^(%S+) %w+ (%d+) (%d+)\n')
  if room == ARGV[3] then last = math.max(last, first + count - 1) end
end
-- Cursors are loaded anew too: the head knew who had sent since, and the store knows by now.
redis.call('DEL', KEYS[2], KEYS[4], KEYS[5])
local epochs = ARGV[4] .. ' ' .. tonumber(ARGV[2]) + 1 .. ':' .. ARGV[1]
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'seq', last, 'offset', 0, 'epochs', epochs)
for i = 5, #ARGV do redis.call('ZADD', KEYS[4], ARGV[i], ARGV[i]) end
redis.call('EXPIRE', KEYS[4], 1209600)
redis.call('EXPIRE', KEYS[1], 604800)
return {'warmed', ARGV[1], last}
