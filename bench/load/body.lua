-- wrk -s body.lua URL -- SIZE: POST of so many octets.
init = function(arguments)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/octet-stream"
  wrk.body = string.rep("x", tonumber(arguments[1]) or 0)
end
