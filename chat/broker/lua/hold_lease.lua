-- Renew a lease, or take one that nobody has.
--
-- KEYS  1 lease
-- ARGV  1 owner, 2 how long it lasts (ms)
-- Returns {'held'}   or {'other'} when another took it over, who keeps it
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return {'other'} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {'held'}
