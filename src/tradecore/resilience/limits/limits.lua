-- One decision on every limit of one request, by the server's own clock: all pass and are taken, or none is.
-- ARGV: mode (take, look, refund, block, clear), how many keys are blocks (0 or 1), then per claim
--       strategy, limit, period, burst, cost, at (microseconds; `at` only for a refund).
-- KEYS: the block's, if any, then one a claim; all of one request carry one hash tag.
-- Answer: now, microseconds of the block left, then per claim wait, remaining, reset.
-- Times count from 2025-06-15, so that a double holds microseconds with room for fractions of them.
local EPOCH = 1750000000
local mode, blocks = ARGV[1], tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = (tonumber(clock[1]) - EPOCH) * 1000000 + tonumber(clock[2])

local function expire(key, micros) redis.call('PEXPIRE', key, math.ceil(micros / 1000) + 1) end
local function whole(number) return string.format('%.0f', number) end

if mode == 'clear' then return redis.call('DEL', unpack(KEYS)) end
if mode == 'block' then
  if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('SET', KEYS[1], '1', 'PX', ARGV[3]) end
  return {now}
end

-- Each strategy answers wait, remaining and reset as things stand, and how to take: that answers what is left then.
local look, refund = {}, {}

look['gcra'] = function(key, limit, period, burst, cost)
  local step = period / limit
  local most = step * burst
  local ahead = (tonumber(redis.call('GET', key)) or now) - now
  ahead = math.min(math.max(ahead, 0), most) -- above it only where the server's clock was set back
  local over = ahead + step * cost - most
  local function left(used) return math.floor((most - used) / step + 1e-6) end
  return over > 0.5 and math.ceil(over) or 0, left(ahead), ahead, function()
    ahead = ahead + step * cost
    redis.call('SET', key, string.format('%.3f', now + ahead), 'PX', math.ceil(ahead / 1000) + 1)
    return left(ahead), ahead
  end
end

refund['gcra'] = function(key, limit, period, cost)
  local full_at = tonumber(redis.call('GET', key))
  if full_at then redis.call('SET', key, string.format('%.3f', full_at - period / limit * cost), 'KEEPTTL') end
end

look['exact-log'] = function(key, limit, period, burst, cost)
  local function at(place) return tonumber(redis.call('LINDEX', key, place)) end
  local count = redis.call('LLEN', key)
  if count > 0 and at(-1) > now then -- the server's clock was set back: the calls are as old as this moment, at worst
    redis.call('DEL', key)
    for _ = 1, count do redis.call('RPUSH', key, whole(now)) end
    expire(key, period)
  end
  if count > 0 and at(0) + period <= now then
    local low, high = 1, count
    while low < high do
      local middle = math.floor((low + high) / 2)
      if at(middle) + period <= now then low = middle + 1 else high = middle end
    end
    redis.call('LTRIM', key, low, -1)
    count = count - low
  end
  local place = count + cost - 1 - limit
  local wait = place >= 0 and at(place) + period - now or 0
  return wait, limit - count, count > 0 and at(-1) + period - now or 0, function()
    for _ = 1, cost do redis.call('RPUSH', key, whole(now)) end
    expire(key, period)
    return limit - count - cost, period
  end
end

refund['exact-log'] = function(key, limit, period, cost, at) redis.call('LREM', key, -cost, whole(at)) end

local function pair(key)
  local first, second, third = string.match(redis.call('GET', key) or '', '^(%d+) (%d+) ?(%d*)$')
  return tonumber(first), tonumber(second), tonumber(third)
end

look['fixed-window'] = function(key, limit, period, burst, cost)
  local start, count = pair(key)
  if not start or start > now or start + period <= now then start, count = now, 0 end
  local reset = count > 0 and start + period - now or 0
  return count + cost > limit and reset or 0, limit - count, reset, function()
    redis.call('SET', key, whole(start) .. ' ' .. whole(count + cost))
    expire(key, start + period - now)
    return limit - count - cost, start + period - now
  end
end

refund['fixed-window'] = function(key, limit, period, cost, at)
  local start, count = pair(key)
  if start and start <= at and at < start + period then
    redis.call('SET', key, whole(start) .. ' ' .. whole(math.max(0, count - cost)), 'KEEPTTL')
  end
end

look['sliding-window-counter'] = function(key, limit, period, burst, cost)
  local window = math.floor(now / period)
  local gone = now - window * period
  local found, this, last = pair(key)
  if not found or found > window or found < window - 1 then this, last = 0, 0
  elseif found == window - 1 then this, last = 0, this end
  local weight = this + last * (1 - gone / period)
  local wait = 0
  if weight + cost > limit then
    if this + cost <= limit then
      wait = math.ceil((1 - (limit - this - cost) / last) * period - gone)
    else
      wait = math.ceil(period - gone + math.max(0, 1 - (limit - cost) / this) * period)
    end
    wait = math.max(1, wait)
  end
  local function reset() return (this > 0 and 2 * period or last > 0 and period or gone) - gone end
  return wait, math.max(0, math.floor(limit - weight)), reset(), function()
    this = this + cost
    redis.call('SET', key, whole(window) .. ' ' .. whole(this) .. ' ' .. whole(last))
    expire(key, 2 * period)
    return math.max(0, math.floor(limit - weight - cost)), reset()
  end
end

refund['sliding-window-counter'] = function(key, limit, period, cost, at)
  local found, this, last = pair(key)
  if found and found == math.floor(at / period) then
    redis.call('SET', key, whole(found) .. ' ' .. whole(math.max(0, this - cost)) .. ' ' .. whole(last), 'KEEPTTL')
  end
end

local held = 0
if blocks == 1 then held = math.max(0, redis.call('PTTL', KEYS[1])) * 1000 end
local answer, takes, passes = {now, held}, {}, held == 0
for number = 1, #KEYS - blocks do
  local key, first = KEYS[blocks + number], 2 + (number - 1) * 6
  local strategy, limit, period = ARGV[first + 1], tonumber(ARGV[first + 2]), tonumber(ARGV[first + 3])
  local burst, cost, at = tonumber(ARGV[first + 4]), tonumber(ARGV[first + 5]), tonumber(ARGV[first + 6])
  if mode == 'refund' then
    refund[strategy](key, limit, period, cost, at)
  else
    local wait, remaining, reset, take = look[strategy](key, limit, period, burst, cost)
    passes = passes and wait <= 0
    takes[number] = take
    answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = wait, remaining, math.ceil(reset)
  end
end
if mode == 'take' and passes then
  for number, take in ipairs(takes) do
    local remaining, reset = take()
    answer[number * 3 + 1], answer[number * 3 + 2] = remaining, math.ceil(reset)
  end
end
return answer
