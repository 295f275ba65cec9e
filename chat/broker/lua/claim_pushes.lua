-- Take jobs whose time has come: they are the caller's until the lease ends, and a try is counted.
--
-- KEYS  1 due  2 jobs      (one tag: the provider)
-- ARGV  1 now_ms  2 lease (ms)  3 how many at most  4 token
-- Returns {'claimed', JOB, 'NOTICE SEQ TRIES FIRST_TRY BORN TOKEN', ...}
local answer = {'claimed'}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])) do
  local job = redis.call('HGET', KEYS[2], name) or ''
  local notice, seq, tries, first, born = string.match(job, '^(%a) (%d+) (%d+) (%d+) (%d+) ')
  if notice then
    if tries == '0' then first = ARGV[1] end
    job = table.concat({notice, seq, tries + 1, first, born, ARGV[4]}, ' ')
    redis.call('HSET', KEYS[2], name, job)
    redis.call('ZADD', KEYS[1], ARGV[1] + ARGV[2], name)
    answer[#answer + 1] = name
    answer[#answer + 1] = job
  else
    redis.call('ZREM', KEYS[1], name)
  end
end
return answer
