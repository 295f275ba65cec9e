-- A user who stays online is taken out of rooms: by a server whose last connection left them, or altogether.
--
-- KEYS  1 rooms  2 lease      (one shard)
-- ARGV  1 server, or - when the user may not be there any more, whatever the server  then the rooms
-- Returns {'left', at, room...}   at: µs since 1970; the rooms in which no server has the user any more
-- A room that is left stays in the hash without a server, to be told when the user goes offline; not in thousands,
-- so that a user who joins and leaves for ever costs no more memory.
local time = redis.call('TIME')
local answer = {'left', time[1] * 1000000 + time[2]}
for i = 2, #ARGV do
  local places = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  local others = ''
  for place in string.gmatch(ARGV[1] == '-' and '' or places, '%S+') do
    if place ~= ARGV[1] and place ~= '*' and redis.call('ZSCORE', KEYS[2], place) then
      others = others .. place .. ' '
    end
  end
  if places ~= '' and others == '' then answer[#answer + 1] = ARGV[i] end
  if ARGV[1] == '-' or (others == '' and redis.call('HLEN', KEYS[1]) > 2000) then
    redis.call('HDEL', KEYS[1], ARGV[i])
  elseif places ~= '' then
    redis.call('HSET', KEYS[1], ARGV[i], others)
  end
end
return answer
