-- A server's lease of a user ends; with the last one the user goes offline, and every server is told in the same
-- step: whoever runs this may die right behind it, and nobody would look for the user again.
--
-- KEYS  1 lease  2 rooms  3 due      (one shard)
-- ARGV  1 user  2 server, or - when only leases that ran out are to go  3 presence channel  4 last seen
-- Returns {'offline', at, room...}   at: µs since 1970; all rooms that were told the user is online
--         {'elsewhere', at}          another lease goes on
--         {'gone', at}               the user was offline already
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local at = time[1] * 1000000 + time[2]
local is_online = redis.call('ZSCORE', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
if is_online and last then
  redis.call('ZADD', KEYS[3], last, ARGV[1])
  return {'elsewhere', at}
end
local rooms = is_online and redis.call('HKEYS', KEYS[2]) or {}
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('DEL', KEYS[1], KEYS[2])
if #rooms > 0 then
  redis.call('PUBLISH', ARGV[3], '[["offline","' .. ARGV[1] .. '",' .. string.format('%d', at) .. ',"'
    .. ARGV[4] .. '","",["' .. table.concat(rooms, '","') .. '"]]]')
end
local answer = {is_online and 'offline' or 'gone', at}
for _, room in ipairs(rooms) do answer[#answer + 1] = room end
return answer
