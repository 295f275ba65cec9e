-- Put cursors that the store has told into Redis, none below what waits to be stored.
--
-- KEYS  1 unstored  2… read, one for each cursor      (one shard)
-- ARGV  1 TTL (s), then for each cursor: room, user, read_seq, shown_seq, ms
-- Returns {'loaded', how many}   those that are there already stay as they are
local loaded = 0
for i = 2, #KEYS do
  local a = i * 5 - 8
  if redis.call('HEXISTS', KEYS[i], ARGV[a + 1]) == 0 then
    local read, shown, at = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
    local waiting = redis.call('HGET', KEYS[1], ARGV[a] .. ' ' .. ARGV[a + 1])
    if waiting then
      local r, s, t = string.match(waiting, '^(%d+) (%d+) (%d+)$')
      read, shown, at = math.max(read, tonumber(r)), math.max(shown, tonumber(s)), math.max(at, tonumber(t))
    end
    redis.call('HSET', KEYS[i], ARGV[a + 1], read .. ' ' .. shown .. ' ' .. string.format('%.0f', at))
    redis.call('EXPIRE', KEYS[i], ARGV[1])
    loaded = loaded + 1
  end
end
return {'loaded', loaded}
