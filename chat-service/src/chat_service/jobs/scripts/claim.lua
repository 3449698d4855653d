-- Begin work that was read from the stream, unless another worker is at it. Returns whether it was begun.
-- KEYS: stream, waiting, running, again, owners. ARGV: group, entry, work, worker, seconds that a running work
-- is believed for.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local entry, work = ARGV[2], ARGV[3]
redis.call('ZREM', KEYS[2], work)
if now - tonumber(redis.call('ZSCORE', KEYS[3], work) or 0) < tonumber(ARGV[5]) then
  redis.call('XACK', KEYS[1], ARGV[1], entry)
  redis.call('XDEL', KEYS[1], entry)
  redis.call('SADD', KEYS[4], work)
  return 0
end
redis.call('SREM', KEYS[4], work)
redis.call('ZADD', KEYS[3], now, work)
redis.call('HSET', KEYS[5], work, ARGV[4] .. ' ' .. entry)
return 1
