-- Mark a room's messages as seen by a user, all up to one: raise the user's cursor and tell the room at once.
-- The store is told later: what it has to be told is noted here, in the same step.
--
-- KEYS  1 head  2 read  3 unstored  4 removed      (one shard)
-- ARGV  1 room  2 user  3 seq  4 epoch of the message ('' when only a seq was given)
--       5 whether the room is told (0 or 1)  6 now_ms  7 now (RFC 3339)  8 room channel  9 TTL of the cursors (s)
-- Returns {'raised' | 'unchanged', read_seq, last_seq, unread}
--         {'cold'}      no head: the caller warms the room and tries again
--         {'unloaded'}  the user's cursor is not in Redis: the caller loads it from the store and tries again
--         {'unknown'}   there is no such message
--         {'unsure'}    its number is older than the epochs that the head remembers: the store has to be asked
-- A cursor is `READ_SEQ SHOWN_SEQ MS`: up to where the user has read, and up to where others were told so, and when.
local epoch, last, runs, sent = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'epochs', '@' .. ARGV[2]))
if not epoch then return {'cold'} end
local cursor = redis.call('HGET', KEYS[2], ARGV[2])
if not cursor then return {'unloaded'} end
last, sent = tonumber(last), tonumber(sent or 0)
local wanted = tonumber(ARGV[3])

-- The head's `epochs` is `FROM:EPOCH FROM:EPOCH …`, ascending: each holds up to the next.
local starts, epochs = {}, {}
for from, name in string.gmatch(runs or '', '(%d+):(%w+)') do
  starts[#starts + 1], epochs[#epochs + 1] = tonumber(from), name
end
local function epoch_of(seq)
  for i = #starts, 1, -1 do
    if seq >= starts[i] then return epochs[i] end
  end
end

if ARGV[4] ~= '' then
  local known = epoch_of(wanted)
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
  redis.call('EXPIRE', KEYS[2], ARGV[9])
  redis.call('HSET', KEYS[3], ARGV[1] .. ' ' .. ARGV[2], value)
end
if is_news then
  -- The newest 200 of the newest 1000 numbers are named: `upToSeq` is the truth.
  local from, gone, names = math.max(shown, wanted - 1000) + 1, {}, {}
  for _, seq in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], from, wanted)) do gone[tonumber(seq)] = true end
  for seq = wanted, from, -1 do
    local name = not gone[seq] and epoch_of(seq)
    if name then names[#names + 1] = '"' .. ARGV[1] .. '.' .. seq .. '.' .. name .. '"' end
    if #names == 200 then break end
  end
  redis.call('PUBLISH', ARGV[8], 'seen ' .. ARGV[2] .. ' 1\n{"event":"messages-seen","data":{"roomId":"' .. ARGV[1]
    .. '","userId":"' .. ARGV[2] .. '","upToSeq":' .. wanted .. ',"messageIds":[' .. table.concat(names, ',')
    .. '],"seenAt":"' .. ARGV[7] .. '"}}')
end
local at_seq = math.min(math.max(read, sent), last)
local unread = last - at_seq - redis.call('ZCOUNT', KEYS[4], at_seq + 1, last)
return {is_raised and 'raised' or 'unchanged', at_seq, last, unread}
