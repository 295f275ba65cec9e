-- Spend from a token bucket that all servers share. What is spent here was done already: the answer tells how
-- long to do no more.
--
-- KEYS  1 rate
-- ARGV  1 how many  2 per second  3 burst (s)
-- Returns {'spent', wait}   wait in ms until the bucket is square again, 0 when it is
-- The bucket is one number, the time until which it is paid for (GCRA, ITU-T I.371), by Redis's own clock.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local burst = tonumber(ARGV[3])
local paid = tonumber(redis.call('GET', KEYS[1]) or 0)
paid = math.max(paid, now - burst) + ARGV[1] / ARGV[2]
-- Debt is bounded, so that a flood that was let through elsewhere does not lock a user out for long.
paid = math.min(paid, now + burst)
redis.call('SET', KEYS[1], string.format('%.6f', paid), 'PX', math.ceil(burst * 2000) + 1000)
return {'spent', math.max(0, math.ceil((paid - now) * 1000))}
