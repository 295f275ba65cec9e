-- A device is to be notified of a room up to a message: one job waits for it, however many messages there are.
--
-- KEYS  1 due  2 jobs  3 shown      (one tag: the provider)
-- ARGV  1 job  2 device  3 seq  4 now_ms  5 how long what was shown is remembered (s)  6 least time between two (ms)
--       7 whether it is told though it was given up (0 or 1)
-- Returns {'made'}    a job waits now
--         {'raised'}  the one that waits tells of the newer message
--         {'known'}   it was notified up to there, or will be
local seq, now = tonumber(ARGV[3]), tonumber(ARGV[4])
-- SHOWN AT GIVEN_UP: up to which message it was notified, and when; up to which one that was given up
local shown, at, given_up = string.match(redis.call('HGET', KEYS[3], ARGV[2]) or '0 0 0', '^(%d+) (%d+) (%d+)$')
if seq <= tonumber(shown) or (ARGV[7] == '0' and seq <= tonumber(given_up)) then return {'known'} end
local job = redis.call('HGET', KEYS[2], ARGV[1])
if not job then
  redis.call('HSET', KEYS[2], ARGV[1], 'm ' .. ARGV[3] .. ' 0 0 ' .. ARGV[4] .. ' -')
  redis.call('ZADD', KEYS[1], math.max(now, at + ARGV[6]), ARGV[1])
  redis.call('HSETNX', KEYS[3], ARGV[2], '0 0 0')
  redis.call('EXPIRE', KEYS[3], ARGV[5])
  return {'made'}
end
local notice, known, tries, first, born, token = string.match(job, '^(%a) (%d+) (%d+) (%d+) (%d+) (%S+)$')
if notice == 'm' and tonumber(known) >= seq then return {'known'} end
if notice == 'c' then  -- the new notification takes the place of the one that was to be cleared
  tries, first, born = 0, 0, ARGV[4]
  if token == '-' then redis.call('ZADD', KEYS[1], now, ARGV[1]) end
end
redis.call('HSET', KEYS[2], ARGV[1], table.concat({'m', ARGV[3], tries, first, born, token}, ' '))
redis.call('EXPIRE', KEYS[3], ARGV[5])
return {'raised'}
