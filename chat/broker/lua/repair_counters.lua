-- Make a shard's counters say that nothing waits when nothing does: the limit of the outbox is taken from them,
-- and they drift when an operator deletes entries or Redis comes back with a part of its data.
--
-- KEYS  1 outbox  2 stats      (one shard)
-- Returns {'exact', 0}   or {'repaired', by how much `accepted` was too high}
if redis.call('XLEN', KEYS[1]) > 0 then return {'exact', 0} end
local counts = redis.call('HMGET', KEYS[2], 'accepted', 'confirmed', 'retracted')
local done = (counts[2] or 0) + (counts[3] or 0)
local drift = (counts[1] or 0) - done
if drift == 0 then return {'exact', 0} end
redis.call('HSET', KEYS[2], 'accepted', done)
return {'repaired', drift}
