-- Fill a cached set with what the store said, unless its truth changed since the asking.
--
-- KEYS  1 set  2 mark      (one slot)
-- ARGV  1 mark as it was before the store was read ('' none)  2 mark from now on  3 TTL (s)  4… members
-- Returns {'kept'}   or {'stale'} when the truth changed meanwhile: nothing is written
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[1] then return {'stale'} end
redis.call('DEL', KEYS[1])
for i = 4, #ARGV, 5000 do  -- more would be too many results to unpack
  redis.call('SADD', KEYS[1], unpack(ARGV, i, math.min(i + 4999, #ARGV)))
end
if #ARGV > 3 then redis.call('EXPIRE', KEYS[1], ARGV[3]) end
if ARGV[2] ~= '' then redis.call('SET', KEYS[2], ARGV[2], 'EX', 3600) end
return {'kept'}
