-- What wrk sends and counts. Arguments: the template file, the text that a good reply has in it, seconds, first serial.
--
-- Above: `generators.run_wrk`, which reads the last line of JSON. wrk alone would stop in the middle of its last calls; here no
-- new call starts when the time is up, and the line "drained" says that every call has its answer.

local ffi = require "ffi"
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } bench_time;
  int clock_gettime(int clock, bench_time *time);
]]
local time = ffi.new("bench_time")

local function now()
  ffi.C.clock_gettime(1, time)
  return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  local template = file:read("*a")
  file:close()
  parts = {}
  for part in (template .. "@SERIAL"):gmatch("(.-)@SERIAL") do
    table.insert(parts, part)
  end
  good = arguments[2]
  duration = tonumber(arguments[3])
  serial = tonumber(arguments[4])
  -- wrk asks for one request before it starts, to look at it, and does not send it.
  sent, answered, failed, began, ended = -1, 0, 0, 0, 0
end

local function drained()
  if answered == sent then
    io.stdout:write("drained\n")
    io.stdout:flush()
  end
end

function request()
  if sent == 0 then
    began = now()
  elseif sent > 0 and now() >= began + duration then
    drained()
    return "" -- Nothing is written, so this connection rests.
  end
  sent = sent + 1
  return table.concat(parts, serial + sent - 1)
end

function response(status, headers, body)
  answered = answered + 1
  ended = now()
  if status ~= 200 or not body:find(good, 1, true) then
    failed = failed + 1
    if not example then
      example = status .. " " .. body:sub(1, 300)
    end
  end
  if ended >= began + duration then
    drained()
  end
end

function done(summary, latency, requests)
  local thread = threads[1]
  local errors = summary.errors
  io.write(string.format(
    '{"sent": %d, "answered": %d, "failed": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "broken": %d}\n',
    thread:get("sent"), thread:get("answered"), thread:get("failed"), thread:get("ended") - thread:get("began"),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.timeout))
  if thread:get("example") then
    io.stderr:write(thread:get("example"), "\n")
  end
end
