-- Change a room's cached members as the store was changed, and keep readings from before the change out of it.
--
-- KEYS  1 set  2 mark      (one slot)
-- ARGV  1 revision of the members in the store  2 'add', 'remove' or 'drop'  3… members
-- Returns {'changed'}   or {'dropped'} when it was not there, or was not as of the revision before: whoever
--                       needs it loads it from the store
local mark = tonumber(redis.call('GET', KEYS[2]) or '')
local revision = tonumber(ARGV[1])
local is_next = mark and mark + 1 == revision and redis.call('EXISTS', KEYS[1]) == 1
-- The mark lives longer than any reading of the store may take.
redis.call('SET', KEYS[2], string.format('%d', math.max(mark or 0, revision)), 'EX', 3600)
if not is_next or ARGV[2] == 'drop' then
  -- Also after a change that was told late: what is in the set may be of a state in between.
  redis.call('DEL', KEYS[1])
  return {'dropped'}
end
redis.call(ARGV[2] == 'add' and 'SADD' or 'SREM', KEYS[1], unpack(ARGV, 3))
return {'changed'}
