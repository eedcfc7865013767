-- wrk -s pipeline.lua URL -- DEPTH: so many requests in one write.
init = function(arguments)
  local depth = tonumber(arguments[1]) or 16
  local requests = {}
  for at = 1, depth do
    requests[at] = wrk.format()
  end
  batch = table.concat(requests)
end

request = function()
  return batch
end
