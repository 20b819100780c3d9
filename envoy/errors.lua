-- Gives every failed JSON call the one published body. Runs on JSON routes only, on replies only.
-- A call that succeeded costs one header look-up. Why Lua and not configuration: see README.md.

-- The tables are filled from stack/front_door/replies.py: HTTP status to code, sentence and whether a retry may help;
local REASONS = {
${reasons}
}
-- and gRPC status to HTTP status, where 500 stands for what is missing.
local HTTP_STATUS = {
${http_statuses}
}
local LOST_REPLY = ${lost_reply}
local UNIMPLEMENTED = '12'
local ESCAPES = { ['"'] = '\\"', ['\\'] = '\\\\', ['\b'] = '\\b', ['\f'] = '\\f', ['\n'] = '\\n', ['\r'] = '\\r', ['\t'] = '\\t' }

local function percent_decoded(text)
  return (text:gsub('%%(%x%x)', function(hex) return string.char(tonumber(hex, 16)) end))
end

-- Bytes that are not UTF-8 become "?": a reply that no JSON parser takes would be worse than a lost letter.
local function valid_utf8(text)
  if not text:find('[\128-\255]') then return text end
  local out, i, n = {}, 1, #text
  while i <= n do
    local b = text:byte(i)
    local length = b < 0x80 and 1 or b >= 0xC2 and b < 0xE0 and 2 or b >= 0xE0 and b < 0xF0 and 3 or b >= 0xF0 and b < 0xF5 and 4 or 0
    local sequence = text:sub(i, i + length - 1)
    local second = sequence:byte(2) or 0x80
    local whole = length > 0 and #sequence == length and not sequence:find('[^\128-\191]', 2)
      and not (b == 0xE0 and second < 0xA0) and not (b == 0xED and second > 0x9F)
      and not (b == 0xF0 and second < 0x90) and not (b == 0xF4 and second > 0x8F)
    if length == 1 then whole = true end
    out[#out + 1] = whole and sequence or '?'
    i = i + (whole and length or 1)
  end
  return table.concat(out)
end

local function quoted(text)
  text = valid_utf8(text):gsub('[%c"\\\127]', function(c) return ESCAPES[c] or string.format('\\u%04x', c:byte()) end)
  return '"' .. text .. '"'
end

-- A message that the transcoder lets pass and protobuf does not take (nested too deep, say) is the caller's fault, but gRPC's
-- Python servers, grpc.aio first, call it their own.
local function undecodable(grpc_status, code, message)
  if code or not message then return false end
  return grpc_status == '2' and message:find("google.protobuf.message.DecodeError'", 1, true) ~= nil
    or grpc_status == '13' and message == 'Exception deserializing request!'
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local grpc_status = headers:get('grpc-status')
  if grpc_status == '0' then return end

  local status
  if grpc_status then
    status = HTTP_STATUS[grpc_status] or 500
  else
    -- No status of gRPC: a stream that is under way, or a reply that Envoy made, which has its body already.
    status = tonumber(headers:get(':status'))
    if status < 400 or headers:get('content-type') == 'application/json' then return end
  end

  local reason = REASONS[status] or REASONS[500]
  local code, message = headers:get('x-switchboard-error-code'), headers:get('grpc-message')
  local correlation_id = headers:get('x-correlation-id') or ''

  if undecodable(grpc_status, code, message) then status, reason = 400, REASONS[400] end

  -- Waiting for the body or the trailers invalidates what was got from the handle before.
  handle:body(true)
  if not code then
    -- A reply that had begun ends in trailers, of which the transcoder moves only status and message to the headers.
    local trailers = handle:trailers()
    code = trailers and trailers:get('x-switchboard-error-code')
  end
  if not code and status >= 500 and grpc_status ~= UNIMPLEMENTED and handle:filterContext():get('writes') then
    -- The service did not say this itself: it ended, or broke, while it had the call.
    reason = LOST_REPLY
  end
  -- Only a message that our own service vouches for with a code is shown; others may be a library's.
  local details = code and message and message ~= '' and percent_decoded(message) or reason.details

  local length = handle:body(true):setBytes('{"ok":false,"error":{"code":' .. quoted(code or reason.code)
    .. ',"details":' .. quoted(details) .. (reason.retryable and ',"retryable":true' or '')
    .. '},"correlationId":' .. quoted(correlation_id) .. '}')
  headers = handle:headers()
  headers:replace(':status', tostring(status))
  headers:replace('content-type', 'application/json')
  headers:replace('content-length', tostring(length))
end
