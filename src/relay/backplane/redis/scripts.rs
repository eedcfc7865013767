//! What the server does in one step: Lua, which runs there while nothing else does.
//!
//! Of a topic there are a hash with its epoch, its last offset, the octets and the age of what is kept, and the run of the server; a
//! stream of the messages, whose ids are the offsets; and for each origin the last one of its sequence.

/// The digests under which the server knows the scripts.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    pub(super) append: String,
    pub(super) read: String,
}

/// Keys: the hash, the stream, the origin's place. Arguments: the place in the origin's sequence; the one before it that is under way, or
/// nothing; an epoch if there is none; the run of the server; how many messages, octets and milliseconds are kept; the command that
/// publishes; the channel; the message.
pub(super) const APPEND: &str = r"
local meta, log, origin = KEYS[1], KEYS[2], KEYS[3]
local seq, most, octets_most, age = tonumber(ARGV[1]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local message = ARGV[10]
local had = tonumber(redis.call('GET', origin) or '0')
if had >= seq then return 0 end
if ARGV[2] ~= '' and had < tonumber(ARGV[2]) then
  return redis.error_reply('ORDER an earlier message of the topic was refused')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('HMGET', meta, 'epoch', 'run')
local epoch = known[1]
-- The first command that writes has to be one that a server without memory refuses: it refuses none behind it.
if not epoch or known[2] ~= ARGV[4] then
  epoch = ARGV[3]
  redis.call('HSET', meta, 'epoch', epoch, 'run', ARGV[4])
end
if not known[1] then
  redis.call('DEL', log)
end
local offset = string.format('%.0f', redis.call('HINCRBY', meta, 'last', 1))
local count = redis.call('XLEN', log)
local octets = 0
if count > 0 then octets = tonumber(redis.call('HGET', meta, 'octets') or '0') end
redis.call('XADD', log, offset .. '-0', 't', string.format('%.0f', now), 'm', message)
count = count + 1
octets = octets + #message + 64
for _ = 1, 1000 do
  local old = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  if not old then break end
  if count <= most and octets <= octets_most and now - tonumber(old[2][2]) < age then break end
  redis.call('XDEL', log, old[1])
  count = count - 1
  octets = octets - #old[2][4] - 64
end
redis.call('HSET', meta, 'octets', string.format('%.0f', octets), 'age', ARGV[7])
local linger = string.format('%.0f', age + 3600000)
redis.call('PEXPIRE', log, ARGV[7])
redis.call('PEXPIRE', meta, linger)
redis.call('SET', origin, ARGV[1], 'PX', linger)
redis.call(ARGV[8], ARGV[9], epoch .. ':' .. offset .. ':' .. message)
return 1
";

/// Keys: the hash, the stream. Arguments: behind which epoch and offset, or nothing; at most how many; an epoch if there is none or the run is
/// another one; the run of the server. Gives the epoch, the last offset, and for each message, newest first, its offset, age and octets.
pub(super) const READ: &str = r"
local meta, log = KEYS[1], KEYS[2]
local known = redis.call('HMGET', meta, 'epoch', 'last', 'age', 'run')
if not known[1] then
  redis.call('HSET', meta, 'epoch', ARGV[4], 'last', '0', 'octets', '0', 'age', '0', 'run', ARGV[5])
  redis.call('PEXPIRE', meta, 3600000)
  redis.call('DEL', log)
  return {ARGV[4], '0'}
end
local epoch = known[1]
if known[4] ~= ARGV[5] then
  epoch = ARGV[4]
  redis.call('HSET', meta, 'epoch', epoch, 'run', ARGV[5])
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local first = '-'
if ARGV[1] == epoch then first = '(' .. ARGV[2] .. '-0' end
local answer = {epoch, known[2]}
local entries = redis.call('XREVRANGE', log, '+', first, 'COUNT', ARGV[3])
for _, entry in ipairs(entries) do
  local age = now - tonumber(entry[2][2])
  if age >= tonumber(known[3]) then break end
  table.insert(answer, string.match(entry[1], '^%d+'))
  table.insert(answer, string.format('%.0f', math.max(age, 0)))
  table.insert(answer, entry[2][4])
end
return answer
";
