-- Start a room's numbering in Redis from what the store knows, under a new epoch.
--
-- KEYS  1 head  2 log  3 outbox      (one shard)
-- ARGV  1 epoch  2 last seq in the store  3 room
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
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'seq', last, 'offset', 0)
redis.call('EXPIRE', KEYS[1], 604800)
return {'warmed', ARGV[1], last}
