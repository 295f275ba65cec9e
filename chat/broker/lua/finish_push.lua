-- What became of a claimed job. What came up while it was under way (a newer message, or the reading of this one) is
-- done next.
--
-- KEYS  1 due  2 jobs  3 shown  4 dead      (one tag: the provider)
-- ARGV  1 job  2 device  3 token  4 outcome: shown, cleared, later, unused (a try that does not count), dropped,
--       unsure (as later, but the device may show it), gone (as dropped, whatever came up) or dead  5 seq  6 notice: m or c  7 now_ms
--       8 when it is due again (ms)  9 how long what was shown is remembered (s)  10 least time between two (ms)
--       11 dead letters kept  12… fields of the dead letter
-- Returns {'done'}  nothing waits for the device
--         {'kept'}  it is tried again
--         {'more'}  something else waits now
--         {'lost'}  the lease had ended and another has it, or it was taken back: nothing is written
local job = redis.call('HGET', KEYS[2], ARGV[1]) or ''
local notice, newest, tries, first, born, token = string.match(job, '^(%a) (%d+) (%d+) (%d+) (%d+) (%S+)$')
if token ~= ARGV[3] then return {'lost'} end
local outcome, seq, now = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[7])
local is_unsure = outcome == 'unsure'
if is_unsure then outcome = 'later' end
local shown, at, given_up = string.match(redis.call('HGET', KEYS[3], ARGV[2]) or '0 0 0', '^(%d+) (%d+) (%d+)$')
shown, at, given_up = tonumber(shown), tonumber(at), tonumber(given_up)

if outcome == 'shown' then
  shown, at = math.max(shown, seq), now
  redis.call('HSET', KEYS[3], ARGV[2], string.format('%d %s %d', shown, ARGV[7], given_up))
elseif outcome == 'cleared' or outcome == 'gone' then
  shown, at, given_up = 0, 0, 0
  redis.call('HDEL', KEYS[3], ARGV[2])
elseif outcome == 'dead' then
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[11], '*', unpack(ARGV, 12))
  given_up = math.max(given_up, seq)  -- a later look must not try it again
  redis.call('HSET', KEYS[3], ARGV[2], string.format('%d %d %d', shown, at, given_up))
end

local function wait(due, kind, up_to, counted, since, made)
  local mark = is_unsure and kind == 'm' and '?' or '-'  -- with '?' a reading clears what it may show
  redis.call('HSET', KEYS[2], ARGV[1], table.concat({kind, up_to, counted, since, made, mark}, ' '))
  redis.call('ZADD', KEYS[1], due, ARGV[1])
  redis.call('HSETNX', KEYS[3], ARGV[2], '0 0 0')  -- who reads finds the job by this
  redis.call('EXPIRE', KEYS[3], ARGV[9])
end
local was_read = ARGV[6] == 'm' and notice == 'c'
if outcome ~= 'gone' then
  if was_read and (shown > 0 or is_unsure) then
    wait(now, 'c', newest, 0, 0, ARGV[7])
    return {'more'}
  elseif not was_read and (notice ~= ARGV[6] or (notice == 'm' and tonumber(newest) > seq)) and
      outcome ~= 'later' and outcome ~= 'unused' then
    wait(math.max(now, at + ARGV[10]), notice, newest, 0, 0, ARGV[7])
    return {'more'}
  elseif not was_read and (outcome == 'later' or outcome == 'unused') then
    if outcome == 'unused' then tries = math.max(tries - 1, 0) end
    wait(ARGV[8], notice, newest, tries, first, born)
    return {'kept'}
  end
end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
if shown == 0 and (given_up == 0 or was_read) then
  redis.call('HDEL', KEYS[3], ARGV[2])
else
  redis.call('EXPIRE', KEYS[3], ARGV[9])
end
return {'done'}
