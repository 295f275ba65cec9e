-- Mark a room's messages as seen by a user, all up to one: raise the user's cursor and tell the room at once.
-- The store is told later: what it has to be told is noted here, in the same step. Servers make the room's frame of
-- what is published: naming up to 200 messages here would let nobody else be served for some 0.2 ms.
--
-- KEYS  1 head  2 read  3 unstored  4 removed      (one shard)
-- ARGV  1 room  2 user  3 seq  4 epoch of the message ('' when only a seq was given)
--       5 whether the room is told (0 or 1)  6 now_ms  7 room channel  8 TTL of the cursors (s)
-- Returns {'raised' | 'unchanged', read_seq, last_seq, unread}
--         {'cold'}      no head: the caller warms the room and tries again
--         {'unloaded'}  the user's cursor is not in Redis: the caller loads it from the store and tries again
--         {'unknown'}   there is no such message
--         {'unsure'}    its number is older than the epochs that the head remembers: the store has to be asked
-- A cursor is `READ_SEQ SHOWN_SEQ MS`: up to where the user has read, and up to where others were told so, and when.
-- Payload:  seen user shown_seq up_to_seq ms from:epoch… removed_seq…   (removed numbers of the newest 1000 newly seen)
local epoch, last, runs, sent = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'epochs', '@' .. ARGV[2]))
if not epoch then return {'cold'} end
local cursor = redis.call('HGET', KEYS[2], ARGV[2])
if not cursor then return {'unloaded'} end
last, sent = tonumber(last), tonumber(sent or 0)
local wanted = tonumber(ARGV[3])

if ARGV[4] ~= '' then
  local known
  -- The head's `epochs` is `FROM:EPOCH FROM:EPOCH …`, ascending: each holds up to the next.
  for from, name in string.gmatch(runs or '', '(%d+):(%w+)') do
    if wanted >= tonumber(from) then known = name end
  end
  if wanted < 1 or wanted > last or (known and known ~= ARGV[4]) then return {'unknown'} end
  if not known then return {'unsure'} end
end

local read, shown, at = string.match(cursor, '^(%d+) (%d+) (%d+)$')
read, shown = tonumber(read), tonumber(shown)
wanted = math.min(wanted, last)
local is_news = ARGV[5] == '1' and wanted > shown
local is_raised = wanted > read or is_news
read = math.max(read, wanted)
if is_raised then
  local value = read .. ' ' .. (is_news and wanted or shown) .. ' ' .. (is_news and ARGV[6] or at)
  redis.call('HSET', KEYS[2], ARGV[2], value)
  redis.call('EXPIRE', KEYS[2], ARGV[8])
  redis.call('HSET', KEYS[3], ARGV[1] .. ' ' .. ARGV[2], value)
end
if is_news then
  local gone = redis.call('ZRANGEBYSCORE', KEYS[4], math.max(shown, wanted - 1000) + 1, wanted)
  local told = {'seen', ARGV[2], shown, wanted, ARGV[6], runs or '', unpack(gone)}
  redis.call('PUBLISH', ARGV[7], table.concat(told, ' '))
end
local at_seq = math.min(math.max(read, sent), last)
local unread = last - at_seq - redis.call('ZCOUNT', KEYS[4], at_seq + 1, last)
return {is_raised and 'raised' or 'unchanged', at_seq, last, unread}
