-- One prepared request, sent as fast as answers come; every answer's status is looked at.
-- arguments: body file, content type, extra headers as "Name: value" (any number)

local threads = {}

function setup(thread)
  thread:set("bad", 0)
  table.insert(threads, thread)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local headers = { ["Content-Type"] = args[2] }
  for i = 3, #args do
    local name, value = args[i]:match("^([^:]+): (.*)$")
    headers[name] = value
  end
  prepared = wrk.format("POST", wrk.path, headers, file:read("*a"))
  file:close()
end

function request()
  return prepared
end

function response(status)
  if status ~= 200 then bad = bad + 1 end
end

function done(summary, latency)
  local bad = 0
  for _, thread in ipairs(threads) do bad = bad + thread:get("bad") end
  local e = summary.errors
  io.write(string.format(
    '\nRESULT {"requests": %d, "seconds": %.6f, "not_200": %d, "broken": %d, "timeouts": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration / 1e6, bad, e.connect + e.read + e.write, e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
