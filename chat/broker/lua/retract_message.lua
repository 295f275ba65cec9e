-- Retract one message that can't be kept: dead letter, `message-retracted` to the room, `message-failed` to its sender.
--
-- KEYS  1 outbox  2 partial  3 stats  4 head  5 log  6 dedupe  7 dead  8 removed  9 unstored      (one shard)
-- ARGV  1 group  2 entry id  3 first seq of the entry  4 messages in the entry
--       5 room  6 epoch  7 seq  8 sender  9 dead letter (sender temp_id accepted_ms \n members)
--       10 error code  11 retryable (0 or 1)  12 error text  13 message-failed frame
--       14 room channel  15 user channel prefix  16 log length (events)  17 now_ms
--       18 whether its number stands for no other message (0 or 1): nobody counts it as unread then
-- Returns {'retracted'}   or {'gone'} when it was confirmed or retracted before
local entry, mark = ARGV[2], ARGV[2] .. ':' .. ARGV[7]
if redis.call('HEXISTS', KEYS[2], mark) == 1 or #redis.call('XRANGE', KEYS[1], entry, entry) == 0 then
  return {'gone'}
end
local epoch, offset = unpack(redis.call('HMGET', KEYS[4], 'epoch', 'offset'))
redis.call('XLEN', KEYS[5])
redis.call('HLEN', KEYS[3])
redis.call('ZCARD', KEYS[8])

redis.call('XADD', KEYS[7], '*', 'room', ARGV[5], 'm', ARGV[9], 'code', ARGV[10], 'text', ARGV[12], 'at', ARGV[17])
redis.call('HSET', KEYS[2], mark, 1)
redis.call('SET', KEYS[6],
  'failed ' .. ARGV[11] .. ' ' .. ARGV[7] .. ' ' .. ARGV[6] .. ' ' .. ARGV[10] .. ' ' .. ARGV[12], 'EX', 86400)
local first, count = tonumber(ARGV[3]), tonumber(ARGV[4])
local open = 0
for seq = first, first + count - 1 do
  if redis.call('HEXISTS', KEYS[2], entry .. ':' .. seq) == 0 then open = open + 1 end
end
if open == 0 then
  redis.call('XACK', KEYS[1], ARGV[1], entry)
  redis.call('XDEL', KEYS[1], entry)
  for seq = first, first + count - 1 do redis.call('HDEL', KEYS[2], entry .. ':' .. seq) end
end
redis.call('HINCRBY', KEYS[3], 'retracted', 1)

if ARGV[18] == '1' then
  if epoch then redis.call('ZADD', KEYS[8], ARGV[7], ARGV[7]) end
  redis.call('HSET', KEYS[9], ARGV[5] .. ' #' .. ARGV[7], '1')
end
if epoch then
  local place = offset + 1
  redis.call('HSET', KEYS[4], 'offset', place)
  redis.call('EXPIRE', KEYS[4], 604800)
  local event = 'retracted ' .. epoch .. ' ' .. place .. ' 1 ' .. ARGV[7] .. ' ' .. ARGV[6] .. '\n' .. ARGV[8]
    .. '\n{"event":"message-retracted","data":{"roomId":"' .. ARGV[5] .. '","messageId":"'
    .. ARGV[5] .. '.' .. ARGV[7] .. '.' .. ARGV[6] .. '","seq":' .. ARGV[7] .. ',"offset":' .. place .. '}}'
  redis.call('XADD', KEYS[5], 'MINID', '~', math.max(0, place - ARGV[16]) .. '-0', place .. '-0', 'e', event)
  redis.call('EXPIRE', KEYS[5], 86400)
  redis.call('PUBLISH', ARGV[14], event)
end
redis.call('PUBLISH', ARGV[15] .. ARGV[8],
  'failed ' .. ARGV[6] .. ' ' .. ARGV[5] .. ' ' .. ARGV[7] .. '\n' .. ARGV[13])
return {'retracted'}
