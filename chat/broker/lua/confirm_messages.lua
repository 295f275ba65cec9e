-- Confirm stored messages of one room: tell the room and the senders, take their entries out of the outbox.
-- A message that was confirmed before (a worker died after storing, another repeated it) is told nobody again.
--
-- KEYS  1 outbox  2 partial  3 stats  4 head  5 log  6 removed      (one shard)
-- ARGV  1 group  2 epoch  3 room  4 room channel  5 user channel prefix
--       then for each entry: entry id, first seq, messages in the entry, how many follow here,
--       and for each of those: seq, sender, message-confirmed frame
-- Returns {'confirmed', how many were confirmed now}
-- An entry whose messages are settled at different times stays until the last one is; which are settled
-- stands in the hash `partial` as `entry:seq`.
local has_partial = redis.call('HLEN', KEYS[2]) > 0
redis.call('HLEN', KEYS[3])
local seqs, frames_of, numbers_of, senders = {}, {}, {}, {}

local function tell(seq, sender, frame)
  seqs[#seqs + 1] = seq .. ':' .. sender
  if not frames_of[sender] then
    frames_of[sender], numbers_of[sender] = {}, {}
    senders[#senders + 1] = sender
  end
  table.insert(frames_of[sender], frame)
  table.insert(numbers_of[sender], seq)
end

local function is_settled(entry, seq)
  return has_partial and redis.call('HEXISTS', KEYS[2], entry .. ':' .. seq) == 1
end

local function settle(entry, first, count, from, here)
  local fresh = {}
  for i = from, from + (here - 1) * 3, 3 do
    if not is_settled(entry, ARGV[i]) then fresh[#fresh + 1] = i end
  end
  if here == count then
    if redis.call('XDEL', KEYS[1], entry) == 0 then fresh = {} end
  elseif #redis.call('XRANGE', KEYS[1], entry, entry) == 0 then
    fresh = {}
  else
    for _, i in ipairs(fresh) do redis.call('HSET', KEYS[2], entry .. ':' .. ARGV[i], 1) end
    has_partial = true
    local open = 0
    for seq = first, first + count - 1 do
      if not is_settled(entry, seq) then open = open + 1 end
    end
    if open > 0 then count = 0 else redis.call('XDEL', KEYS[1], entry) end
  end
  if count > 0 then
    redis.call('XACK', KEYS[1], ARGV[1], entry)
    if has_partial then
      for seq = first, first + count - 1 do redis.call('HDEL', KEYS[2], entry .. ':' .. seq) end
    end
  end
  for _, i in ipairs(fresh) do tell(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
end

local i = 6
while i <= #ARGV do
  local here = tonumber(ARGV[i + 3])
  settle(ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), i + 4, here)
  i = i + 4 + here * 3
end
redis.call('EXPIRE', KEYS[4], 604800)
redis.call('EXPIRE', KEYS[5], 86400)
redis.call('EXPIRE', KEYS[6], 1209600) -- it outlives the head
if #seqs > 0 then
  redis.call('HINCRBY', KEYS[3], 'confirmed', #seqs)
  redis.call('PUBLISH', ARGV[4], 'confirmed ' .. ARGV[2] .. ' ' .. table.concat(seqs, ' '))
  for _, sender in ipairs(senders) do
    redis.call('PUBLISH', ARGV[5] .. sender,
      'confirmed ' .. ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. table.concat(numbers_of[sender], ' ')
      .. '\n' .. table.concat(frames_of[sender], '\n'))
  end
end
return {'confirmed', #seqs}
