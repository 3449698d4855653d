-- Say that works still run; one that another worker took over meanwhile is left to it.
-- KEYS: stream, running, owners. ARGV: group, worker, pairs of entry and work.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
for position = 3, #ARGV, 2 do
  local entry, work = ARGV[position], ARGV[position + 1]
  if redis.call('HGET', KEYS[3], work) == ARGV[2] .. ' ' .. entry then
    redis.call('ZADD', KEYS[2], now, work)
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry, 'JUSTID')
  end
end
