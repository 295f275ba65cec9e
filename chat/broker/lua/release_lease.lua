-- Let go of a lease, unless another took it over.
--
-- KEYS  1 lease
-- ARGV  1 owner
-- Returns {'released'}   or {'other'} when it is another's, or nobody's
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'other'} end
redis.call('DEL', KEYS[1])
return {'released'}
