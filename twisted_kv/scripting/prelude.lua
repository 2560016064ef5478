-- What scripts see: run once in a fresh runtime.
--
-- Its argument is a table with the functions of the host; it returns a table with those that the host calls.  Scripts
-- get an environment of their own, in which nothing leads to files, bytecode, the debugger or Python.  All that is used
-- while scripts run is kept in locals, for the real globals are cleared at the end.

local host = ...
local as_function, NULL = python.as_function, newproxy()
for name, value in pairs(host) do
  if type(value) == 'userdata' then host[name] = as_function(value) end
end

local type, next, pairs, ipairs, select, unpack, tostring = type, next, pairs, ipairs, select, unpack, tostring
local error, pcall, xpcall, rawget, rawset, loadstring = error, pcall, xpcall, rawget, rawset, loadstring
local setmetatable, getmetatable, setfenv = setmetatable, getmetatable, setfenv
local tonumber, collectgarbage, load_pieces = tonumber, collectgarbage, load
local getinfo, sethook = debug.getinfo, debug.sethook
local create, wrap, resume = coroutine.create, coroutine.wrap, coroutine.resume
local byte, dump, lower = string.byte, string.dump, string.lower
local find, match, gmatch, gsub = string.find, string.match, string.gmatch, string.gsub
local concat, insert, remove, sort, foreach = table.concat, table.insert, table.remove, table.sort, table.foreach
local floor = math.floor

local OWN = '@owncache'            -- the name of this chunk
local HOOK_EVERY = 100000          -- instructions; 0.4 ms in a bare loop
local PATTERN_SIZE = 2000          -- bytes; the C stack of the process overflows at some 160,000 items
local VALUES_AT_ONCE = 4000        -- Lua's C functions take and return at most 8,000

local tick, describe = host.tick, host.describe

-- Errors.  One that the host raises arrives as a Python object, which no script may ever hold: whatever catches errors
-- mends them.  Once a script is to die, its error can not be caught.

local fatal
local last = {err = '', source = '', line = 0, ignore_error_stats_update = false}   -- made before memory is short

local function die(text)
  last.err = text
  fatal = last
end

local function mended(e)
  if type(e) == 'userdata' and e ~= NULL then
    local text, is_counted, is_fatal = describe(e)
    if is_fatal then
      die(text)
    else
      e = {err = text, ignore_error_stats_update = is_counted or nil}
    end
  end
  return fatal or e
end

local function caught(e)
  e = mended(e)
  if fatal then error(fatal, 0) end
  return e
end

local function hook()
  local text = tick()
  if text then
    die(text)
    error(fatal, 0)
  end
end

local real = setmetatable({}, {__mode = 'k'})                     -- the tables behind the read-only ones, see below

-- The outermost handler notes where the error came from, in the script.
local function handler(e)
  e = mended(e)
  if real[e] then                                                -- in Redis its own handler fails so
    return {err = 'ERR err_handler_def:10: Attempt to modify a readonly table', source = '@err_handler_def', line = 10}
  end
  if type(e) ~= 'table' then e = {err = 'ERR ' .. (e == NULL and 'userdata: (nil)' or tostring(e))} end
  local level = 2
  local info = getinfo(level, 'Sl')
  if info and info.what == 'C' then
    level = 3
    info = getinfo(level, 'Sl')
  end
  while info and info.source == OWN do
    level = level + 1
    info = getinfo(level, 'Sl')
  end
  if info then
    rawset(e, 'source', info.source)
    rawset(e, 'line', info.currentline)
  end
  return e
end

-- Read-only tables.  Lua 5.1 has none: each is an empty proxy before the real table.

local function refuse() error('Attempt to modify a readonly table', 2) end

local function readonly(contents)
  local proxy = setmetatable({}, {__index = contents, __newindex = refuse})
  real[proxy] = contents
  return proxy
end

local function writable(t)
  if real[t] then error('Attempt to modify a readonly table', 0) end
  return t
end

-- What a C function of Lua gave or raised when a function here called it for a script: its errors name the function as the
-- script called it, and the place of that call.
local function raise(message, level)
  local info = getinfo(level, 'n')
  local name = info and info.name or '?'
  local number, rest = match(message, "^bad argument #(%d+) to '[^']*' (.*)$")
  if number and info.namewhat == 'method' then
    if number == '1' then error("calling '" .. name .. "' on bad self " .. rest, level + 1) end
    number = number - 1
  end
  if number then message = 'bad argument #' .. number .. " to '" .. name .. "' " .. rest end
  error(message, level + 1)
end

local function given(ok, ...)
  if ok then return ... end
  raise((...), 3)
end

-- The environment of scripts

local env = {}

for _, name in ipairs{'_VERSION', 'assert', 'error', 'gcinfo', 'rawequal', 'select', 'tonumber', 'type', 'unpack',
                      'ipairs'} do
  env[name] = _G[name]
end

function env.tostring(...)
  if (...) == NULL and select('#', ...) > 0 then return 'userdata: (nil)' end
  if select('#', ...) == 0 then return given(pcall(tostring)) end
  return tostring((...))
end

local function settled(ok, ...)
  if ok then return true, ... end
  local e = caught((...))
  if type(e) == 'table' then
    local text = e.err
    if type(text) == 'string' or type(text) == 'number' then return false, text end
  end
  return false, e
end

function env.pcall(...) return settled(pcall(...)) end

function env.xpcall(...)
  if select('#', ...) < 2 then raise("bad argument #2 to '' (value expected)", 2) end
  local f, h = ...
  local function ended(ok, ...)
    if fatal then error(fatal, 0) end
    return ok, ...
  end
  return ended(xpcall(f, function(e)
    e = mended(e)
    if fatal then return e end
    return h(e)
  end))
end

function env.pairs(...)
  local t = ...
  local contents = real[t]
  if not contents then return given(pcall(pairs, ...)) end
  return function(_, key) return next(contents, key) end, t, nil
end

function env.next(t, key)
  if type(t) ~= 'table' then return given(pcall(next, t, key)) end
  return next(real[t] or t, key)
end

function env.rawget(...)
  local t, key = ...
  if real[t] then return rawget(real[t], key) end
  return given(pcall(rawget, ...))
end

function env.rawset(...)
  writable((...))
  if select('#', ...) > 2 and type((...)) == 'table' then return rawset(...) end
  return given(pcall(rawset, ...))
end

function env.setmetatable(...)
  writable((...))
  return given(pcall(setmetatable, ...))
end

local string_meta, global_meta

function env.getmetatable(...)
  local value = ...
  if type(value) == 'string' then return string_meta end
  if real[value] then return value == env._G and global_meta or nil end
  return given(pcall(getmetatable, ...))
end

-- The collector is the host's: a script that stopped it, or made it lazy, would do so for all that follow.
local kept = {stop = 0, restart = 0, setpause = 200, setstepmul = 200}
local is_kept = true

function env.collectgarbage(...)
  local option, value = ...
  local answer = kept[option]
  if answer then
    if answer > 0 then kept[option], is_kept = tonumber(value) or 0, false end
    return answer
  end
  return given(pcall(collectgarbage, ...))
end

-- Source text only: Lua trusts bytecode, which can be forged to reach any memory.  The compiler's own is made to keep
-- the frames of callers (see `bytecode.py`).
local sandbox

local function adopt(f, name)
  return setfenv(loadstring(host.keep_frames(dump(f)), name), sandbox)
end

local function compile(source, name)
  if byte(source, 1) == 27 then
    local _, why = loadstring('\1', name)
    return nil, (gsub(why, "char%(1%)'$", "char(27)'"))
  end
  local f, why = loadstring(source, name)
  if not f then return nil, why end
  return adopt(f, name)
end

function env.loadstring(...)
  local source, name = ...
  if type(source) ~= 'string' and type(source) ~= 'number' then return given(pcall(loadstring, ...)) end
  return compile(source, name or source)
end

function env.load(...)
  local reader, name = ...
  if type(reader) ~= 'function' then return given(pcall(load_pieces, ...)) end
  local pieces = {}
  while true do
    local ok, piece = pcall(reader)
    if ok and piece ~= nil and type(piece) ~= 'string' and type(piece) ~= 'number' then
      ok, piece = pcall(error, 'reader function must return a string', 3)
    end
    if not ok then
      piece = caught(piece)
      return nil, type(piece) == 'table' and piece or {err = 'ERR ' .. tostring(piece)}
    end
    if piece == nil or piece == '' then break end
    pieces[#pieces + 1] = piece
  end
  return compile(concat(pieces), name or '=(load)')
end

-- Coroutines have hooks of their own.

local function copy(from)
  local to = {}
  for name, value in pairs(from) do to[name] = value end
  return to
end

local coroutines = copy(coroutine)

function coroutines.create(...)
  local made = given(pcall(create, ...))
  sethook(made, hook, '', HOOK_EVERY)
  return made
end

function coroutines.wrap(...)
  given(pcall(create, ...))
  local f = ...
  return wrap(function(...)
    sethook(hook, '', HOOK_EVERY)
    return f(...)
  end)
end

local function resumed(ok, ...)
  if ok then return true, ... end
  return false, caught((...))
end

function coroutines.resume(...)
  if type((...)) ~= 'thread' then return given(pcall(resume, ...)) end
  return resumed(resume(...))
end

-- Strings: a pattern is matched by a recursion on the C stack, whose depth depends on the length of the pattern.

local strings = copy(string)

local function bounded(pattern)
  if type(pattern) == 'string' and #pattern > PATTERN_SIZE then error('pattern too long', 3) end
end

function strings.find(...)
  local _, pattern = ...
  bounded(pattern)
  return given(pcall(find, ...))
end

function strings.match(...)
  local _, pattern = ...
  bounded(pattern)
  return given(pcall(match, ...))
end

function strings.gmatch(...)
  local _, pattern = ...
  bounded(pattern)
  return given(pcall(gmatch, ...))
end
strings.gfind = strings.gmatch

function strings.gsub(...)
  local _, pattern, with = ...
  bounded(pattern)
  if type(with) == 'function' or type(with) == 'table' then
    local subject, _, _, most = ...
    given(pcall(gsub, subject, pattern, '', most))                -- whether the pattern is one
    return gsub(...)                                              -- an error may be the script's own
  end
  return given(pcall(gsub, ...))
end

-- Tables

local tables = copy(table)

function tables.insert(...)
  local t, value = ...
  writable(t)
  if select('#', ...) == 2 and type(t) == 'table' then
    rawset(t, #t + 1, value)
    return
  end
  return given(pcall(insert, ...))
end

function tables.remove(...)
  writable((...))
  return given(pcall(remove, ...))
end

function tables.sort(...)
  local t = ...
  writable(t)
  local order = select(2, ...)
  if type(t) == 'table' and (order == nil or type(order) == 'function') then return sort(...) end  -- as above
  return given(pcall(sort, ...))
end

function tables.foreach(...)
  local t, f = ...
  if type(t) ~= 'table' or type(f) ~= 'function' then return given(pcall(foreach, ...)) end
  return foreach(real[t] or t, f)                                 -- as above
end

-- Random numbers: drand48, as Redis has it, so that a seed gives the same numbers.  A seed holds for one script.

local maths = copy(math)
local high, low = host.seed_high, host.seed_low                -- 24 bits each
local unseeded_high, unseeded_low

local function draw()
  local product = low * 15525485 + 11                             -- 0x5DEECE66D in halves: 1502 and 15525485
  high = (high * 15525485 + low * 1502 + floor(product / 16777216)) % 16777216
  low = product % 16777216
  return (high * 128 + floor(low / 131072)) % 2147483647 / 2147483647
end

local function as_int(index, ...)                                -- as C casts a double to an int
  local value = select(index, ...)
  local number = tonumber(value)
  if not number or type(value) ~= 'number' and type(value) ~= 'string' then
    local kind = index > select('#', ...) and 'no value' or type(value)
    raise('bad argument #' .. index .. " to '' (number expected, got " .. kind .. ')', 3)
  end
  if number ~= number or number >= 9223372036854775808 or number < -9223372036854775808 then return 0 end
  number = (number < 0 and -floor(-number) or floor(number)) % 4294967296
  return number >= 2147483648 and number - 4294967296 or number
end

function maths.random(...)
  local count, drawn = select('#', ...), draw()
  if count == 0 then return drawn end
  if count > 2 then error('wrong number of arguments', 2) end
  local from, to = 1, as_int(1, ...)
  if count == 2 then from, to = to, as_int(2, ...) end
  if from > to then raise('bad argument #' .. count .. " to '' (interval is empty)", 2) end
  return floor(drawn * (to - from + 1)) + from
end

function maths.randomseed(...)
  local seed = as_int(1, ...) % 4294967296
  if not unseeded_high then unseeded_high, unseeded_low = high, low end
  high, low = floor(seed / 256), seed % 256 * 65536 + 13070        -- 0x330E below the seed
end

-- The libraries of Redis.  A function of the host gives true and its values, or false and a message.

local function answered(ok, ...)
  if ok then return ... end
  raise((...), 3)
end

local function library(functions)
  local t = {}
  for name, value in pairs(functions) do
    local f = as_function(value)
    t[name] = function(...) return answered(f(...)) end
  end
  return t
end

local cjson, reset_cjson = host.load_cjson(NULL)
local cmsgpack = host.load_cmsgpack(host.pack_double, host.unpack_double, host.pack_float, host.unpack_float)

local redis = copy(host.constants)
for _, name in ipairs{'call', 'pcall', 'sha1hex', 'log', 'setresp', 'set_repl', 'acl_check_cmd'} do
  redis[name] = host[name]
end

local WRONG = 'ERR wrong number or type of arguments'

function redis.error_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then return {err = WRONG} end
  text = match(text, '^-?([^%z]*)')
  if not find(text, ' ', 1, true) then text = 'ERR ' .. text end
  return {err = text}
end

function redis.status_reply(...)
  if select('#', ...) ~= 1 or type((...)) ~= 'string' then return {err = WRONG} end
  return {ok = (...)}
end

function redis.replicate_commands() return true end              -- as always since 7.0
function redis.breakpoint() return false end                     -- no debugger is attached
function redis.debug() end

-- What libraries of functions see while they are loaded: how to register functions, and no more.

local loading_redis = {}
for _, name in ipairs{'log', 'LOG_DEBUG', 'LOG_VERBOSE', 'LOG_NOTICE', 'LOG_WARNING', 'REDIS_VERSION', 'REDIS_VERSION_NUM'} do
  loading_redis[name] = redis[name]
end

local registered                                                  -- while a library is loaded

local FIELDS = {function_name = 'string', callback = 'function', flags = 'table', description = 'string'}

local function fail(text) error({err = 'ERR ' .. text}, 0) end

local function as_text(value)
  if type(value) == 'number' then return tostring(value) end
  return type(value) == 'string' and value or nil
end

function loading_redis.register_function(...)
  local count, name, callback, description = select('#', ...), ...
  local flags = {}
  if not registered then fail('redis.register_function can only be called on FUNCTION LOAD command') end
  if count < 1 or count > 2 then fail('wrong number of arguments to redis.register_function') end
  if count == 1 then
    local given = name
    if type(given) ~= 'table' then
      fail('calling redis.register_function with a single argument is only applicable to Lua table (representing named ' ..
           'arguments).')
    end
    name, callback, description = nil, nil, nil
    for key, value in next, given do
      key = as_text(key)
      if not key then fail('named argument key given to redis.register_function is not a string') end
      if key == 'function_name' then
        name = as_text(value) or fail('function_name argument given to redis.register_function must be a string')
      elseif key == 'description' then
        description = as_text(value) or fail('description argument given to redis.register_function must be a string')
      elseif key == 'callback' then
        if type(value) ~= 'function' then fail('callback argument given to redis.register_function must be a function') end
        callback = value
      elseif key == 'flags' then
        if type(value) ~= 'table' then
          fail('flags argument to redis.register_function must be a table representing function flags')
        end
        for _, flag in ipairs(value) do
          if type(flag) ~= 'string' then fail('unknown flag given') end
          insert(flags, flag)
        end
      else
        fail('unknown argument given to redis.register_function')
      end
    end
    if not name then fail('redis.register_function must get a function name argument') end
    if not callback then fail('redis.register_function must get a callback argument') end
  else
    name = as_text(name) or fail('first argument to redis.register_function must be a string')
    if type(callback) ~= 'function' then fail('second argument to redis.register_function must be a function') end
    description = nil
  end
  local why = host.check_function(name, unpack(flags))
  if why then fail(why) end
  if registered[lower(name)] then fail('Function already exists in the library') end
  registered[lower(name)] = true                                  -- Redis dies of two that differ in case alone
  insert(registered, {name, callback, description, flags})
end

for name, value in pairs{string = strings, table = tables, math = maths, coroutine = coroutines, redis = redis, cjson = cjson,
                         cmsgpack = cmsgpack, struct = library(host.struct), bit = library(host.bit)} do
  env[name] = readonly(value)
end

local function missing(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end

sandbox = readonly(setmetatable(env, {__index = missing}))
local sandbox_meta = getmetatable(sandbox)
local loading = setmetatable({redis = readonly(setmetatable(loading_redis, {__index = missing}))}, {__index = missing})
env._G = sandbox
global_meta = readonly{__index = missing}
getmetatable('').__index = strings
string_meta = readonly{__index = env.string}

-- A value as the host reads it: what it is, then its parts.

local RAISED, ERROR, STATUS, DOUBLE, BIG_NUMBER, VERBATIM, MAP, SET, ARRAY, LONG = -1, 1, 2, 3, 4, 5, 6, 7, 8, 9

local function open(t)
  local part = rawget(t, 'err')
  if type(part) == 'string' then return ERROR, part, rawget(t, 'ignore_error_stats_update') and true end
  part = rawget(t, 'ok')
  if type(part) == 'string' then return STATUS, part end
  part = rawget(t, 'double')
  if type(part) == 'number' then return DOUBLE, part end
  part = rawget(t, 'map')
  if type(part) == 'table' then
    local parts = {}
    for key, value in next, part do
      parts[#parts + 1] = key
      insert(parts, value)
    end
    return MAP, parts, #parts
  end
  part = rawget(t, 'set')
  if type(part) == 'table' then
    local parts = {}
    for key in next, part do parts[#parts + 1] = key end
    return SET, parts, #parts
  end
  part = rawget(t, 'big_number')
  if type(part) == 'string' then return BIG_NUMBER, part end
  part = rawget(t, 'verbatim_string')
  if type(part) == 'table' then
    local format, text = rawget(part, 'format'), rawget(part, 'string')
    if type(format) == 'string' and type(text) == 'string' then return VERBATIM, format, text end
  end
  local count = 0
  while rawget(t, count + 1) ~= nil do count = count + 1 end
  if count == 0 or count > VALUES_AT_ONCE then return LONG, t, count end
  return ARRAY, unpack(t, 1, count)
end

local function opened(value)
  local kind = type(value)
  if kind == 'table' then return open(value) end
  if kind == 'function' or kind == 'thread' then return nil end
  return value
end

local function described(e) return e.err, e.ignore_error_stats_update and true end   -- the script's own code may run

local function finished(ok, value)
  if ok then return opened(value) end
  if type(value) == 'string' then return RAISED, value end           -- out of memory: no handler was called
  local is_told, text, is_counted = pcall(described, value)
  if not is_told then text, is_counted = nil, nil end
  if type(text) ~= 'string' then text = type(text) == 'number' and tostring(text) or 'ERR unknown error' end
  return RAISED, text, rawget(value, 'source'), rawget(value, 'line'), is_counted
end

local exports = {}

exports.open = open
exports.part = function(t, first, last) return unpack(t, first, last) end
exports.array = function(...) return {...} end
exports.status = function(text) return {ok = text} end
exports.fault = function(text, is_counted) return {err = text, ignore_error_stats_update = is_counted or nil} end
exports.double = function(number) return {double = number} end
exports.verbatim = function(text) return {verbatim_string = {format = 'txt', string = text}} end
exports.map = function(flat, count)
  local t = {}
  for index = 1, count, 2 do t[flat[index]] = flat[index + 1] end
  return {map = t}
end
exports.set = function(flat, count)
  local t = {}
  for index = 1, count do t[flat[index]] = true end
  return {set = t}
end
exports.adopt = adopt
exports.forget_error = function() pcall(host.nothing) end            -- the runtime keeps the last exception
exports.collect = function() return collectgarbage('collect') end

-- Leave nothing of one script to the next.
local function begin()
  fatal = nil
  reset_cjson()
  if not is_kept then kept.setpause, kept.setstepmul, is_kept = 200, 200, true end
  if unseeded_high then high, low, unseeded_high = unseeded_high, unseeded_low, nil end
end

-- Run a script: the first `count` words are its keys.
exports.run = function(f, count, ...)
  begin()
  local keys, arguments = {...}, {}
  if count == 0 then
    keys, arguments = arguments, keys
  else
    for index = select('#', ...), count + 1, -1 do
      arguments[index - count] = keys[index]
      keys[index] = nil
    end
  end
  env.KEYS, env.ARGV = keys, arguments
  return finished(xpcall(f, handler))
end

-- The same with more words than Lua's C functions take.
exports.run_with = function(f, keys, arguments)
  begin()
  env.KEYS, env.ARGV = keys, arguments
  return finished(xpcall(f, handler))
end

-- Call a function of a library.
exports.call = function(f, count, ...)
  begin()
  local keys, arguments = {...}, {}
  for index = select('#', ...), count + 1, -1 do
    arguments[index - count] = keys[index]
    keys[index] = nil
  end
  return finished(xpcall(function() return f(keys, arguments) end, handler))
end

exports.call_with = function(f, keys, arguments)
  begin()
  return finished(xpcall(function() return f(keys, arguments) end, handler))
end

-- Run the code of a library, and return what it has registered: four values for each function.
exports.load = function(f)
  begin()
  registered = {}
  sandbox_meta.__index = loading
  local ok, e = xpcall(f, handler)
  sandbox_meta.__index = env
  local found = registered
  registered = nil
  if not ok then return finished(ok, e) end
  return 0, found, #found
end

exports.registered = function(found, index)
  local each = found[index]
  return each[1], each[2], each[3] or false, concat(each[4], ' ')
end

sethook(hook, '', HOOK_EVERY)
for _, name in ipairs{'io', 'os', 'package', 'require', 'module', 'dofile', 'loadfile', 'print', 'python', 'debug', 'string',
                      'table', 'math', 'coroutine', 'load', 'loadstring', 'getfenv', 'setfenv', 'newproxy'} do
  _G[name] = nil
end
return exports
