-- Let a message that failed for good be accepted again under its temp id, as one that failed for a while.
--
-- KEYS  1 dedupe
-- Returns {'forgiven'}   or {'unchanged'} when it did not fail, or may be sent again anyway
local prior = redis.call('GET', KEYS[1])
if not prior or string.sub(prior, 1, 9) ~= 'failed 0 ' then return {'unchanged'} end
redis.call('SET', KEYS[1], 'failed 1 ' .. string.sub(prior, 10), 'KEEPTTL')
return {'forgiven'}
