-- Append one durable event to a room's log and publish it, unless a newer state of its subject was told already.
-- The change itself is in the store by now; the note that it still has to be told goes in the same step.
--
-- KEYS  1 head  2 log  3 announced  4 intents      (one shard)
-- ARGV  1 room channel  2 log length (events)  3 name of the event  4 subject (room or message id)  5 revision
--       6 whom it cuts off from the room ('-' nobody, '*' everybody, or a user)  7 intent ('' none)
--       8 frame up to its offset  9 frame behind its offset
--       10 members channel  11 what goes there before the frame ('' nothing)
-- Returns {'announced', epoch, offset, receivers}   receivers: servers that heard the members channel
--         {'stale', revision}   a newer one was announced: the caller reads the state again and announces that
--         {'cold'}              no head: the caller loads it from the store and tries again
-- Event:  event epoch offset 1 name subject revision \n cut \n frame
local epoch, offset = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'offset'))
if not epoch then return {'cold'} end
local told = tonumber(redis.call('GET', KEYS[3]) or 0)
local revision = tonumber(ARGV[5])
if revision < told then return {'stale', told} end
redis.call('XLEN', KEYS[2])  -- of a wrong type? then stop here, with nothing written
redis.call('ZCARD', KEYS[4])

local place = offset + 1
redis.call('HSET', KEYS[1], 'offset', place)
redis.call('EXPIRE', KEYS[1], 604800)
redis.call('SET', KEYS[3], ARGV[5], 'EX', 3600)
if ARGV[7] ~= '' then redis.call('ZREM', KEYS[4], ARGV[7]) end
local frame = ARGV[8] .. place .. ARGV[9]
local event = table.concat({'event', epoch, place, 1, ARGV[3], ARGV[4], ARGV[5]}, ' ')
  .. '\n' .. ARGV[6] .. '\n' .. frame
redis.call('XADD', KEYS[2], 'MINID', '~', math.max(0, place - ARGV[2]) .. '-0', place .. '-0', 'e', event)
redis.call('EXPIRE', KEYS[2], 86400)
-- First those who are cut off, so that they get nothing of the room behind this.
local receivers = 0
if ARGV[11] ~= '' then receivers = redis.call('PUBLISH', ARGV[10], ARGV[11] .. frame) end
redis.call('PUBLISH', ARGV[1], event)
return {'announced', epoch, place, receivers}
