-- Read a room's events after an offset.
--
-- KEYS  1 head  2 log  3 outbox  4 partial      (one shard)
-- ARGV  1 epoch the caller is at ('' = only tell where the log stands)  2 offset
-- Returns {status, epoch, offset, seq, events, waiting}
--   status  'complete'  events are all after the offset, in order (the first may begin before it)
--           'position'  no events were asked for
--           'foreign'   the log has another epoch      'ahead'  the offset is not reached yet
--           'trimmed'   the log no longer reaches back to the offset
--           'cold'      no head: nothing else is returned
--   waiting  the seqs of the events' messages that are not confirmed yet
local epoch, seq, offset = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'offset'))
if not epoch then return {'cold'} end
local function answer(status, events, waiting)
  return {status, epoch, tonumber(offset), tonumber(seq), events or {}, waiting or {}}
end

if ARGV[1] == '' then return answer('position') end
if ARGV[1] ~= epoch then return answer('foreign') end
local since = tonumber(ARGV[2])
if since > tonumber(offset) then return answer('ahead') end
if since == tonumber(offset) then return answer('complete') end

local events, waiting, reached = {}, {}, since
for i, entry in ipairs(redis.call('XRANGE', KEYS[2], since + 1 .. '-0', '+')) do
  local event = entry[2][2]
  local kind, first, count = string.match(event, '^(%a+) %w+ (%d+) (%d+) ')
  if first - 1 > reached then return answer('trimmed') end
  reached = first + count - 1
  events[i] = event
  local first_seq, id = string.match(event, '^new %w+ %d+ %d+ (%d+) (%S+)\n')
  if id and #redis.call('XRANGE', KEYS[3], id, id) == 1 then
    for number = tonumber(first_seq), first_seq + count - 1 do
      if redis.call('HEXISTS', KEYS[4], id .. ':' .. number) == 0 then waiting[#waiting + 1] = number end
    end
  end
end
if reached ~= tonumber(offset) then return answer('trimmed') end
return answer('complete', events, waiting)
