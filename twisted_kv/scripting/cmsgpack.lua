-- The `cmsgpack` library of Redis 7.0 (lua-cmsgpack 0.4.0): Lua values to MessagePack and back.
--
-- Its arguments turn a float into its 8 bytes (the most significant first) and back, and into its 4 bytes and back.  It
-- returns the library's table.  Scripts can neither be called from here nor change what this chunk uses, and each call
-- keeps its state in locals: it may be aborted anywhere.

local pack_double, unpack_double, pack_float, unpack_float = ...

local type, next, select, error, tonumber, unpack = type, next, select, error, tonumber, unpack
local byte, char, sub, format, concat = string.byte, string.char, string.sub, string.format, table.concat
local floor, frexp, getinfo = math.floor, math.frexp, debug.getinfo

local HUGE = 1 / 0
local MISSING = 'Missing bytes in input.'
local BAD = 'Bad data format in input.'
local DEEPEST = 16                 -- tables in tables; deeper ones are packed as nil
local STACK_SLOTS = 8000           -- what Lua grants a C function, hence the depth and the number of values unpacked
local TOO_MANY_VALUES = 'stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)'
local TOO_MANY_IN_ARRAY = 'stack overflow (in function mp_decode_to_lua_array)'
local TOO_MANY_FOR_OFFSET = 'stack overflow (in function mp_unpack_full)'

-- Arguments.  Called by the library's functions themselves; it blames the caller of those.

local function misuse(index, text)
  local info = getinfo(2, 'n')
  local name = info.name or '?'
  if info.namewhat == 'method' then
    index = index - 1
    if index == 0 then error(format("calling '%s' on bad self (%s)", name, text), 3) end
  end
  error(format("bad argument #%d to '%s' (%s)", index, name, text), 3)
end

-- Return the argument as C's 64-bit integer, or nil.
local function integer(argument)
  local kind = type(argument)
  local number = (kind == 'number' or kind == 'string') and tonumber(argument)
  if not number then return nil end
  if not (number >= -2^63 and number < 2^63) then return -2^63 end
  return number < 0 and -floor(-number) or floor(number)
end

-- A 64-bit integer as C's printf() shows it for %d.
local function shown(number) return format('%d', (number + 2^31) % 2^32 - 2^31) end

-- Packing.  Functions append to `buffer`, whose size is `count`, and return its new size.

local BYTES = {}
for code = 0, 255 do BYTES[code] = char(code) end

-- Return the four bytes of an unsigned integer after a first byte.
local function four(first, number)
  local low = number % 65536
  local high = (number - low) / 65536
  return char(first, floor(high / 256), high % 256, floor(low / 256), low % 256)
end

-- Return the eight bytes of an integer, in two's complement, after a first byte.
local function eight(first, number)
  local low = number % 2^32
  local high = (number - low) / 2^32 % 2^32
  return four(first, high) .. sub(four(0, low), 2)
end

local function is_single(number)
  if number == HUGE or number == -HUGE then return true end
  local mantissa, exponent = frexp(number)
  if number ~= number or exponent > 128 or exponent < -148 then return false end
  local bits = exponent < -125 and 149 + exponent or 24
  return mantissa * 2^bits % 1 == 0
end

local function packed_number(number)
  if floor(number) ~= number or number >= 2^63 or number < -2^63 then
    return is_single(number) and '\202' .. pack_float(number) or '\203' .. pack_double(number)
  elseif number >= 0 then
    if number < 0x80 then return char(number) end
    if number < 0x100 then return char(0xCC, number) end
    if number < 0x10000 then return char(0xCD, floor(number / 256), number % 256) end
    if number < 2^32 then return four(0xCE, number) end
    return eight(0xCF, number)
  end
  if number >= -0x20 then return char(256 + number) end
  if number >= -0x80 then return char(0xD0, 256 + number) end
  if number >= -0x8000 then return char(0xD1, floor(number / 256) + 256, number % 256) end
  if number >= -2^31 then return four(0xD2, number + 2^32) end
  return eight(0xD3, number)
end

local function string_head(size)
  if size < 0x20 then return BYTES[0xA0 + size] end
  if size < 0x100 then return char(0xD9, size) end
  if size < 0x10000 then return char(0xDA, floor(size / 256), size % 256) end
  return four(0xDB, size)
end

local function table_head(size, short, long)
  if size < 16 then return BYTES[short + size] end
  if size < 0x10000 then return char(long, floor(size / 256), size % 256) end
  return four(long + 1, size)
end

-- Return the number of entries of a table, and whether its keys are 1 up to that number.
local function table_size(t)
  local size, greatest, is_array = 0, 0, true
  for key in next, t do
    size = size + 1
    if key ~= size then
      if type(key) ~= 'number' or key < 1 or floor(key) ~= key then is_array = false end
      if is_array and key > greatest then greatest = key end
    end
  end
  return size, is_array and greatest <= size
end

local function append(value, buffer, count, depth)
  local kind = type(value)
  count = count + 1
  if kind == 'string' then
    buffer[count] = string_head(#value)
    count = count + 1
    buffer[count] = value
  elseif kind == 'number' then
    buffer[count] = packed_number(value)
  elseif kind == 'boolean' then
    buffer[count] = value and '\195' or '\194'
  elseif kind == 'table' and depth < DEEPEST then
    local size, is_array = table_size(value)
    if is_array then
      buffer[count] = table_head(size, 0x90, 0xDC)
      for index = 1, size do count = append(value[index], buffer, count, depth + 1) end
    else
      buffer[count] = table_head(size, 0x80, 0xDE)
      for key, item in next, value do
        count = append(key, buffer, count, depth + 1)
        count = append(item, buffer, count, depth + 1)
      end
    end
  else
    buffer[count] = '\192'
  end
  return count
end

local function pack(...)
  local size = select('#', ...)
  if size == 0 then misuse(0, 'MessagePack pack needs input.') end
  if size > STACK_SLOTS / 2 then misuse(0, 'Too many arguments for MessagePack pack.') end
  local values, buffer, count = {...}, {}, 0
  for index = 1, size do count = append(values[index], buffer, count, 0) end
  return concat(buffer, '', 1, count)
end

-- Unpacking.  Functions return the value and the position after it; or the error, nil, and 0 if the error is shown
-- without its position.  `used` is the number of slots that C's functions would use of Lua's stack.

local read

local function read_string(data, position, size)
  if position + size > #data + 1 then return MISSING end
  return sub(data, position, position + size - 1), position + size
end

local function read_array(data, position, size, used)
  if used + 2 > STACK_SLOTS then return TOO_MANY_IN_ARRAY end
  local array = {}
  for index = 1, size do
    local value, after, level = read(data, position, used + 2)
    if not after then return value, nil, level end
    array[index] = value
    position = after
  end
  return array, position
end

local function read_map(data, position, size, used)
  if used + 1 > STACK_SLOTS then return TOO_MANY_VALUES end
  local map = {}
  for _ = 1, size do
    local key, value, after, level
    key, after, level = read(data, position, used + 1)
    if not after then return key, nil, level end
    value, position, level = read(data, after, used + 2)
    if not position then return value, nil, level end
    if key == nil then return 'table index is nil', nil, 0 end
    if key ~= key then return 'table index is NaN', nil, 0 end
    map[key] = value
  end
  return map, position
end

-- Return the unsigned integers of two and of four bytes that begin at the position, or nil.

local function two_bytes(data, position)
  local a, b = byte(data, position, position + 1)
  return b and a * 256 + b
end

local function four_bytes(data, position)
  local a, b, c, d = byte(data, position, position + 3)
  return d and ((a * 256 + b) * 256 + c) * 256 + d
end

local function read_eight(data, position)
  local high, low = four_bytes(data, position), four_bytes(data, position + 4)
  if not low then return MISSING end
  return (high < 2^31 and high or high - 2^32) * 2^32 + low, position + 8
end

-- The functions for first bytes that are followed by a size or a number.
local READERS = {
  [0xC0] = function(_, position) return nil, position end,
  [0xC2] = function(_, position) return false, position end,
  [0xC3] = function(_, position) return true, position end,
  [0xCA] = function(data, position)
    if position + 3 > #data then return MISSING end
    return unpack_float(sub(data, position, position + 3)), position + 4
  end,
  [0xCB] = function(data, position)
    if position + 7 > #data then return MISSING end
    return unpack_double(sub(data, position, position + 7)), position + 8
  end,
  [0xCC] = function(data, position)
    local number = byte(data, position)
    if not number then return MISSING end
    return number, position + 1
  end,
  [0xCD] = function(data, position)
    local number = two_bytes(data, position)
    if not number then return MISSING end
    return number, position + 2
  end,
  [0xCE] = function(data, position)
    local number = four_bytes(data, position)
    if not number then return MISSING end
    return number, position + 4
  end,
  [0xD0] = function(data, position)
    local number = byte(data, position)
    if not number then return MISSING end
    return number < 128 and number or number - 256, position + 1
  end,
  [0xD1] = function(data, position)
    local number = two_bytes(data, position)
    if not number then return MISSING end
    return number < 0x8000 and number or number - 0x10000, position + 2
  end,
  [0xD2] = function(data, position)
    local number = four_bytes(data, position)
    if not number then return MISSING end
    return number < 2^31 and number or number - 2^32, position + 4
  end,
  [0xCF] = read_eight,           -- Redis takes the unsigned for a signed one
  [0xD3] = read_eight,
  [0xD9] = function(data, position)
    local size = byte(data, position)
    if not size then return MISSING end
    return read_string(data, position + 1, size)
  end,
  [0xDA] = function(data, position)
    local size = two_bytes(data, position)
    if not size then return MISSING end
    return read_string(data, position + 2, size)
  end,
  [0xDB] = function(data, position)
    local size = four_bytes(data, position)
    if not size then return MISSING end
    return read_string(data, position + 4, size)
  end,
  [0xDC] = function(data, position, used)
    local size = two_bytes(data, position)
    if not size then return MISSING end
    return read_array(data, position + 2, size, used)
  end,
  [0xDD] = function(data, position, used)
    local size = four_bytes(data, position)
    if not size then return MISSING end
    return read_array(data, position + 4, size, used)
  end,
  [0xDE] = function(data, position, used)
    local size = two_bytes(data, position)
    if not size then return MISSING end
    return read_map(data, position + 2, size, used)
  end,
  [0xDF] = function(data, position, used)
    local size = four_bytes(data, position)
    if not size then return MISSING end
    return read_map(data, position + 4, size, used)
  end,
}

function read(data, position, used)
  local first = byte(data, position)
  if not first then return MISSING end
  if used >= STACK_SLOTS then return TOO_MANY_VALUES end
  position = position + 1
  if first < 0x80 then return first, position end
  if first >= 0xE0 then return first - 256, position end
  if first >= 0xC0 then
    local reader = READERS[first]
    if not reader then return BAD end
    return reader(data, position, used)
  end
  if first >= 0xA0 then
    local after = position + first - 0xA0
    if after > #data + 1 then return MISSING end
    return sub(data, position, after - 1), after
  end
  if first >= 0x90 then return read_array(data, position, first - 0x90, used) end
  return read_map(data, position, first - 0x80, used)
end

-- Return all values of a table.  Lua's unpack() can return a few less than C's functions may.
local function all(values, count)
  if count <= 4 then return unpack(values, 1, count) end
  return values[1], values[2], values[3], values[4], unpack(values, 5, count)
end

-- Return the values read, their number and the offset of what is left (-1: nothing); or nil, the error and its level.
local function read_values(data, offset, limit, has_offset)
  local values, count, position, size = {}, 0, offset + 1, #data
  while position <= size and count < limit do
    local value, after, level = read(data, position, count + 1)
    if not after then return nil, value, level end
    count = count + 1
    values[count] = value
    position = after
  end
  if has_offset and count + 2 > STACK_SLOTS then return nil, TOO_MANY_FOR_OFFSET end
  return values, count, position > size and -1 or position - 1
end

-- Return what is wrong with the numbers that the library's functions are called with.
local function wrong_request(offset, limit, size)
  if offset < 0 or limit < 0 then
    return format('Invalid request to unpack with offset of %s and limit of %d.', shown(offset), size)
  elseif offset > size then
    return format('Start offset %s greater than input length %d.', shown(offset), size)
  end
end

local function what(value, ...)
  return select('#', ...) > 0 and type(value) or 'no value'
end

local function unpack_all(...)
  local data = ...
  local kind = type(data)
  if kind == 'number' then
    data = data .. ''
  elseif kind ~= 'string' then
    misuse(1, 'string expected, got ' .. what(data, ...))
  end
  local values, count, level = read_values(data, 0, HUGE)
  if not values then error(count, level or 2) end
  return all(values, count)
end

local function unpack_one(...)
  local data, offset = ...
  if offset == nil then offset = 0 end
  local start = integer(offset)
  if not start then misuse(2, 'number expected, got ' .. type(offset)) end
  local kind = type(data)
  if kind == 'number' then
    data = data .. ''
  elseif kind ~= 'string' then
    misuse(1, 'string expected, got ' .. what(data, ...))
  end
  local wrong = wrong_request(start, 1, #data)
  if wrong then error(wrong, 2) end
  local values, count, left = read_values(data, start, 1, true)
  if not values then error(count, left or 2) end
  return left, all(values, count)
end

local function unpack_limit(...)
  local data, limit, offset = ...
  local most = integer(limit)
  if not most then misuse(2, 'number expected, got ' .. (select('#', ...) < 2 and 'no value' or type(limit))) end
  if offset == nil then offset = 0 end
  local start = integer(offset)
  if not start then misuse(3, 'number expected, got ' .. type(offset)) end
  local kind = type(data)
  if kind == 'number' then
    data = data .. ''
  elseif kind ~= 'string' then
    misuse(1, 'string expected, got ' .. kind)
  end
  local wrong = wrong_request(start, most, #data)
  if wrong then error(wrong, 2) end
  local is_all = most == 0 and start == 0
  local values, count, left = read_values(data, start, is_all and HUGE or most, not is_all)
  if not values then error(count, left or 2) end
  if is_all then return all(values, count) end
  return left, all(values, count)
end

-- In the order in which Redis fills its table, for pairs() to go through both alike.
local library = {}
library.pack = pack
library.unpack = unpack_all
library.unpack_one = unpack_one
library.unpack_limit = unpack_limit
library._NAME = 'cmsgpack'
library._VERSION = 'lua-cmsgpack 0.4.0'
library._COPYRIGHT = 'Copyright (C) 2012, Salvatore Sanfilippo'
library._DESCRIPTION = 'MessagePack C implementation for Lua'
return library
