//! What the server does in one step: the arithmetic of [`Window`](crate::layer::rate_limit::window::Window), in milliseconds.

/// Key: the window. Arguments: the cost, the quota, the length in milliseconds. Gives whether it is allowed, what remains and, in
/// milliseconds, when there is more.
///
/// Numbers are floats there, exact below 2^53: products of a count and a time are divided in two halves.
pub(super) const SPEND: &str = r"
local cost, quota, length = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
-- count * time / by, rounded down, and whether something was left.
local function part(count, time, by)
  local high = math.floor(count / 65536)
  local low = count - high * 65536
  local first = math.floor(high * time / by)
  local rest = (high * time - first * by) * 65536 + low * time
  local second = math.floor(rest / by)
  return first * 65536 + second, rest > second * by
end
-- The most of the length that may be left so that a count is worth no more than there is room.
local function lasting(room, count)
  if count <= room then return length end
  return (part(room, length, count))
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = redis.call('HMGET', KEYS[1], 'ends', 'previous', 'current')
local ends = tonumber(window[1] or 0)
local previous = tonumber(window[2] or 0)
local current = tonumber(window[3] or 0)
local passed
if now >= ends then
  ends, previous, current, passed = now + 2 * length, 0, 0, 0
elseif now < ends - length then
  passed = math.max(now - (ends - 2 * length), 0)
else
  passed = now - (ends - length)
  ends, previous, current = ends + length, current, 0
end
local left = length - passed
local share, more = part(previous, left, length)
if more then share = share + 1 end
local room = math.max(quota - share - current, 0)
if cost <= room then
  redis.call('HSET', KEYS[1], 'ends', string.format('%.0f', ends), 'previous', string.format('%.0f', previous),
    'current', string.format('%.0f', current + cost))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ends - now))
  return {1, room - cost, left}
end
local free = quota - cost
local wait
if free < 0 then
  wait = length
elseif free >= current then
  wait = left - lasting(free - current, previous)
else
  wait = left + length - lasting(free, current)
end
return {0, room, math.max(wait, 0)}
";
