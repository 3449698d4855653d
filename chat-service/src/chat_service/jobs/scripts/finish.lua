-- Give work back, unless another worker took it over; put it into the stream again where it was asked for.
-- KEYS: stream, waiting, running, again, owners. ARGV: group, entry, work, worker, the longest stream,
-- whether it is to run again in any case.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local entry, work = ARGV[2], ARGV[3]
if redis.call('HGET', KEYS[5], work) ~= ARGV[4] .. ' ' .. entry then
  return
end
redis.call('HDEL', KEYS[5], work)
redis.call('ZREM', KEYS[3], work)
redis.call('XACK', KEYS[1], ARGV[1], entry)
redis.call('XDEL', KEYS[1], entry)
if redis.call('SREM', KEYS[4], work) == 1 or ARGV[6] == '1' then
  redis.call('ZADD', KEYS[2], now, work)
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[5], '*', 'work', work)
end
