-- A provider has failed us: after so many times in a row it is left alone for a while, each time twice as long.
--
-- KEYS  1 circuit
-- ARGV  1 now_ms  2 failures in a row that open it  3 for how long the first time (ms)  4 and at most (ms)
--       5 reason  6 how long it stays open at once (ms): the provider wants an operator; 0 otherwise
-- Returns {'closed', failures}  it goes on
--         {'open', until}       it was open already
--         {'opened', until}     it is open from now on
local now, fixed = tonumber(ARGV[1]), tonumber(ARGV[6])
local known = tonumber(redis.call('HGET', KEYS[1], 'until') or 0)
if known > now then return {'open', known} end
local til = now + fixed
if fixed == 0 then
  local fails = redis.call('HINCRBY', KEYS[1], 'fails', 1)
  redis.call('EXPIRE', KEYS[1], 86400)
  -- when it was open the first failure opens it again
  if fails < tonumber(ARGV[2]) and known == 0 then return {'closed', fails} end
  local opens = redis.call('HINCRBY', KEYS[1], 'opens', 1)
  til = now + math.min(ARGV[3] * 2 ^ (math.min(opens, 20) - 1), ARGV[4])
end
redis.call('HSET', KEYS[1], 'until', string.format('%d', til), 'reason', ARGV[5], 'fails', 0)
redis.call('EXPIRE', KEYS[1], 86400)
return {'opened', til}
