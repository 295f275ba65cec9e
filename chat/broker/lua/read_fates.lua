-- Tell what became of messages, by the temp ids they were sent under.
--
-- KEYS  1 outbox  2 partial  3… dedupe keys      (one shard)
-- Returns for each dedupe key a text: 'unknown' | 'pending SEQ EPOCH' | 'confirmed SEQ EPOCH'
--                                     | 'failed RETRYABLE SEQ EPOCH CODE TEXT'
local fates = {}
for i = 3, #KEYS do
  local value = redis.call('GET', KEYS[i])
  local fate = value or 'unknown'
  local seq, epoch, entry = string.match(fate, '^(%d+) (%w+) (%S+)$')
  if seq then
    local waits = entry ~= '-' and #redis.call('XRANGE', KEYS[1], entry, entry) == 1
      and redis.call('HEXISTS', KEYS[2], entry .. ':' .. seq) == 0
    fate = (waits and 'pending ' or 'confirmed ') .. seq .. ' ' .. epoch
  end
  fates[#fates + 1] = fate
end
return fates
