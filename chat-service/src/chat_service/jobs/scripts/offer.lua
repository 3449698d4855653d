-- Put works into the stream, each once: what waits already is left, what runs now is noted to run once more.
-- KEYS: stream, waiting, running, again. ARGV: seconds that a waiting and a running work are believed for,
-- the longest stream, works.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local waits, runs, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
for position = 4, #ARGV do
  local work = ARGV[position]
  local running = tonumber(redis.call('ZSCORE', KEYS[3], work) or 0)
  local waiting = tonumber(redis.call('ZSCORE', KEYS[2], work) or 0)
  if now - running < runs then
    redis.call('SADD', KEYS[4], work)
  elseif now - waiting >= waits then
    redis.call('ZADD', KEYS[2], now, work)
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', longest, '*', 'work', work)
  end
end
