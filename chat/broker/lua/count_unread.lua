-- Tell how many messages users have not read, each in one room, from positions alone.
--
-- KEYS  1 head  2 read  3 removed, and the same three again for each further pair of a user and a room
--       (one shard, where the shards lie in a cluster)
-- ARGV  1 user, and one more for each further pair
-- Returns a text for each pair: 'READ_SEQ LAST_SEQ UNREAD MENTIONED', of which no message behind MENTIONED names
--         anybody; -1 where that is not known
--         'cold'      no head: the store knows where the room stands
--         'unloaded'  the user's cursor is not in Redis
local answers = {}
for i = 1, #ARGV do
  local user = ARGV[i]
  local head = redis.call('HMGET', KEYS[i * 3 - 2], 'epoch', 'seq', '@' .. user, 'mentioned')
  local epoch, last, sent, mentioned = unpack(head)
  local read = epoch and redis.call('HGET', KEYS[i * 3 - 1], user)
  if not epoch then
    answers[i] = 'cold'
  elseif not read then
    answers[i] = 'unloaded'
  else
    last = tonumber(last)
    -- Whoever sends has read what came before; numbers of an outage may be gone: no cursor is beyond the last.
    local at = math.min(math.max(tonumber(string.match(read, '^%d+')), tonumber(sent or 0)), last)
    local unread = last - at
    if unread > 0 then unread = unread - redis.call('ZCOUNT', KEYS[i * 3], at + 1, last) end
    answers[i] = at .. ' ' .. last .. ' ' .. unread .. ' ' .. (mentioned or -1)
  end
end
return answers
