-- The `cjson` library of Redis 7.0 (lua-cjson 2.1.0): JSON texts to Lua values and back.
--
-- Its argument is the light userdata that stands for JSON's null.  It returns the library's table, and a function that
-- puts the configuration of that table's functions back to the defaults.
--
-- Encoding and decoding first try one pattern per value, which takes what follows the value too (the comma, and in an
-- object the next key); any surprise is left to the slow functions, which read token by token and name the errors.
-- Scripts can neither be called from here nor change what this chunk uses, and each call keeps its state in locals: it
-- may be aborted anywhere.

local null = ...

local type, next, select, error, tonumber, rawget = type, next, select, error, tonumber, rawget
local match, find, gsub, sub, byte, char = string.match, string.find, string.gsub, string.sub, string.byte, string.char
local format, lower, concat, floor, getinfo = string.format, string.lower, table.concat, math.floor, debug.getinfo

local INT_MAX = 2147483647
local STACK_SLOTS = 7997           -- what Redis's C functions may use of Lua's stack before they need three slots more
local KEYS_KEPT, KEY_SIZE_KEPT = 512, 40
local BUFFER_KEPT, TEXT_SIZE_KEPT = 256, 4096

-- Arguments.  Both are called by the library's functions themselves, and blame the caller of those.

local function misuse(index, text)
  local info = getinfo(2, 'n')
  local name = info.name or '?'
  if info.namewhat == 'method' then
    index = index - 1
    if index == 0 then error(format("calling '%s' on bad self (%s)", name, text), 3) end
  end
  error(format("bad argument #%d to '%s' (%s)", index, name, text), 3)
end

-- Return the option's new value, or nil, the index of the argument to blame and the reason.
local function integer_option(index, argument, current, least)
  if argument == nil then return current end
  local kind = type(argument)
  local value = (kind == 'number' or kind == 'string') and tonumber(argument)
  if not value then return nil, index, 'number expected, got ' .. kind end
  if not (value >= -2^63 and value < 2^63) then
    value = 0
  else
    value = value < 0 and -floor(-value) or floor(value)
    value = (value + 2^31) % 2^32 - 2^31
  end
  if value < least[1] or value > least[2] then
    return nil, 1, format('expected integer between %d and %d', least[1], least[2])
  end
  return value
end

local FROM_ZERO, FROM_ONE, PRECISION = {0, INT_MAX}, {1, INT_MAX}, {1, 14}
local SWITCH = {on = true, off = false}
local SWITCH_OR_NULL = {on = true, off = false, null = 'null'}

-- Return nothing, the option's new value, or the reason why there is none.
local function switch_option(argument, current, names)
  if argument == nil then return nil, current end
  local kind = type(argument)
  if kind == 'boolean' then return nil, argument end
  if kind ~= 'string' and kind ~= 'number' then return 'string expected, got ' .. kind end
  local value = names[argument .. '']
  if value == nil then return format("invalid option '%s'", argument) end
  return nil, value
end

-- Strings to JSON.

local PLAIN = '^[]-~0-[ #-.!\128-\255]*$'
local ESCAPED = '[%c"\\/]'
local ESCAPES = {['"'] = '\\"', ['\\'] = '\\\\', ['/'] = '\\/', ['\127'] = '\\u007f'}
for code = 0, 31 do ESCAPES[char(code)] = format('\\u%04x', code) end
for letter, character in next, {b = '\b', t = '\t', n = '\n', f = '\f', r = '\r'} do
  ESCAPES[character] = '\\' .. letter
end

-- Looking a text up is faster than making it.  Zero is not among them, for -0 would be found there.
local SMALL_INTEGERS = {}
for number = 1, 255 do SMALL_INTEGERS[number] = number .. '' end

-- JSON's start of an entry by its key: of the first entry of an object, and of the others.
local first_entries, other_entries, keys_kept = {}, {}, 0

local function entry(key, is_first)
  local quoted = '"' .. (find(key, PLAIN) and key or gsub(key, ESCAPED, ESCAPES)) .. '":'
  local first, other = '{' .. quoted, ',' .. quoted
  if #key <= KEY_SIZE_KEPT then
    if keys_kept >= KEYS_KEPT then first_entries, other_entries, keys_kept = {}, {}, 0 end
    keys_kept = keys_kept + 1
    first_entries[key], other_entries[key] = first, other
  end
  return is_first and first or other
end

-- JSON to numbers: what C's strtod() takes.

-- Return the position after the digits, the point and the exponent, or nil.
local function after_digits(text, position, digits, exponent)
  local _, last = find(text, '^' .. digits .. '+%.?' .. digits .. '*', position)
  if not last then _, last = find(text, '^%.' .. digits .. '+', position) end
  if not last then return nil end
  local _, end_of_exponent = find(text, '^' .. exponent .. '[+-]?%d+', last + 1)
  return (end_of_exponent or last) + 1
end

-- Return the number and the position after it, or nil.
local function read_number(text, position)
  local start = match(text, '^[+-]?()', position)
  local stop
  local word = lower(sub(text, start, start + 2))
  if sub(word, 1, 2) == '0x' then
    stop = after_digits(text, start + 2, '%x', '[pP]') or start + 1
  elseif word == 'inf' then
    stop = start + (lower(sub(text, start, start + 7)) == 'infinity' and 8 or 3)
  elseif word == 'nan' then
    stop = match(text, '^%([%w_]*%)()', start + 3) or start + 3
  else
    stop = after_digits(text, start, '%d', '[eE]')
  end
  if stop then return tonumber(sub(text, position, stop - 1)), stop end
end

-- True if JSON has no such numbers: they begin with a plus or a zero before digits, are hexadecimal, or no numbers.
local function is_invalid_number(text, position)
  if find(text, '^%+', position) or find(text, '^-?0[%dxX]', position) then return true end
  local word = lower(match(text, '^-?(%a?%a?%a?)', position))
  return word == 'inf' or word == 'nan'
end

-- JSON to strings.

local UNESCAPES = {b = '\b', f = '\f', n = '\n', r = '\r', t = '\t', ['"'] = '"', ['\\'] = '\\', ['/'] = '/'}

local function utf8(code)
  if code < 0x80 then return char(code) end
  local low = code % 64
  if code < 0x800 then return char(192 + (code - low) / 64, 128 + low) end
  local rest = (code - low) / 64
  local middle = rest % 64
  if code < 0x10000 then return char(224 + (rest - middle) / 64, 128 + middle, 128 + low) end
  rest = (rest - middle) / 64
  local high = rest % 64
  return char(240 + (rest - high) / 64, 128 + high, 128 + middle, 128 + low)
end

-- Return the characters that an escaped code point (or a pair of surrogates) stands for and the position after it.
local function read_code_point(text, position)
  local digits = match(text, '^\\u(%x%x%x%x)', position)
  local code = digits and tonumber(digits, 16)
  if not code or code >= 0xDC00 and code <= 0xDFFF then return nil end
  if code < 0xD800 or code > 0xDBFF then return utf8(code), position + 6 end
  digits = match(text, '^\\u(%x%x%x%x)', position + 6)
  local second = digits and tonumber(digits, 16)
  if not second or second < 0xDC00 or second > 0xDFFF then return nil end
  return utf8(0x10000 + (code - 0xD800) * 0x400 + second - 0xDC00), position + 12
end

-- Return the string whose first character is at the position, and the position after its closing quote; or nil, the
-- reason and the position to blame.
local function read_string(text, position)
  local parts, count = {}, 0
  while true do
    local plain, stop, mark = match(text, '^([^"\\]*)()(["\\]?)', position)
    parts[count + 1] = plain
    if mark == '"' then return concat(parts, '', 1, count + 1), stop + 1 end
    if mark == '' then return nil, 'unexpected end of string', stop end
    local letter = sub(text, stop + 1, stop + 1)
    local character = UNESCAPES[letter]
    position = stop + 2
    if letter == 'u' then
      character, position = read_code_point(text, stop)
      if not character then return nil, 'invalid unicode escape code', stop end
    elseif not character then
      return nil, 'invalid escape code', stop
    end
    parts[count + 2] = character
    count = count + 2
  end
end

local PUNCTUATION = {
  [''] = 'T_END', ['{'] = 'T_OBJ_BEGIN', ['}'] = 'T_OBJ_END', ['['] = 'T_ARR_BEGIN', [']'] = 'T_ARR_END',
  [','] = 'T_COMMA', [':'] = 'T_COLON',
}

-- Return the kind of the token at or after the position (or what is wrong with it), the position to blame if it is not
-- welcome, the position after it, and the value of a scalar.
local function read_token(text, position, takes_invalid_numbers)
  position = match(text, '^[ \n\r\t]*()', position)
  local first = sub(text, position, position)
  local kind = PUNCTUATION[first]
  if kind then return kind, position, position + 1 end
  if first == '"' then
    local value, after, blamed = read_string(text, position + 1)
    if not value then return after, blamed end
    return 'T_STRING', position, after, value
  end
  if find(first, '^[%d-]') then
    if not takes_invalid_numbers and is_invalid_number(text, position) then return 'invalid number', position end
  elseif sub(text, position, position + 3) == 'true' then
    return 'T_BOOLEAN', position, position + 4, true
  elseif sub(text, position, position + 4) == 'false' then
    return 'T_BOOLEAN', position, position + 5, false
  elseif sub(text, position, position + 3) == 'null' then
    return 'T_NULL', position, position + 4, null
  elseif not (takes_invalid_numbers and find(first, '^[+iInN]') and is_invalid_number(text, position)) then
    return 'invalid token', position
  end
  local value, after = read_number(text, position)
  if not value then return 'invalid number', position end
  return 'T_NUMBER', position, after, value
end

local SCALARS = {T_STRING = true, T_NUMBER = true, T_BOOLEAN = true, T_NULL = true}

local function unexpected(wanted, kind, position)
  return format('Expected %s but found %s at character %d', wanted, kind, position)
end

-- No pattern may try one text in several ways (such as `%d+%.?%d*`): its time would grow with the square of the size.

-- What follows a value in an object, up to the next value's first character; and in an array.
local SPACE = '[ \n\r\t]*'
local KEY = SPACE .. '"([^"\\]*)"' .. SPACE .. ':' .. SPACE .. '()(.)'
local NEXT_KEY, FIRST_KEY = '^' .. SPACE .. ',' .. KEY, '^' .. KEY
local STRING_AND_KEY = '^([^"\\]*)"' .. SPACE .. ',' .. KEY
local NUMBER_AND_KEY = '^([%d.eE+-]+)' .. SPACE .. ',' .. KEY
local OBJECT_END = '^' .. SPACE .. '}()'
local STRING_AND_OBJECT_END = '^([^"\\]*)"' .. SPACE .. '}()'
local NUMBER_AND_OBJECT_END = '^([%d.eE+-]+)' .. SPACE .. '}()'
local FIRST_ITEM = '^' .. SPACE .. '()(.)'
local NEXT_ITEM = '^' .. SPACE .. ',' .. SPACE .. '()(.)'
local STRING_AND_ITEM = '^([^"\\]*)"' .. SPACE .. ',' .. SPACE .. '()(.)'
local NUMBER_AND_ITEM = '^([%d.eE+-]+)' .. SPACE .. ',' .. SPACE .. '()(.)'
local ARRAY_END = '^' .. SPACE .. '%]()'
local STRING = '^([^"\\]*)"()'
local NUMBER = '^([%d.eE+-]+)()[^%w.+-]'
local LITERALS = {['true'] = true, ['false'] = false, null = null}
local OPENS_LITERAL = {t = true, f = true, n = true}
local OPENS_NUMBER = {['-'] = true}
for digit = 0, 9 do OPENS_NUMBER[digit .. ''] = true end

local FUNCTIONS = {
  'encode', 'decode', 'encode_sparse_array', 'encode_max_depth', 'decode_max_depth', 'encode_number_precision',
  'encode_keep_buffer', 'encode_invalid_numbers', 'decode_invalid_numbers', 'new',
}

local function new_library()
  local library = {}
  -- In the order in which Redis fills its table, for pairs() to go through both alike.
  for _, name in next, FUNCTIONS do library[name] = null end
  library.null = null
  library._NAME = 'cjson'
  library._VERSION = '2.1.0'

  local converts_sparse, sparse_ratio, sparse_safe, encode_depth, decode_depth, precision
  local keeps_buffer, takes_invalid_numbers, encodes_invalid_numbers, number_format
  local changed = true

  local function reset()
    if not changed then return end
    converts_sparse, sparse_ratio, sparse_safe = false, 2, 10
    encode_depth, decode_depth = 1000, 1000
    precision, number_format = 14, nil       -- no format: what table.concat() does with numbers is %.14g
    keeps_buffer, takes_invalid_numbers, encodes_invalid_numbers = true, true, false
    changed = false
  end

  reset()

  -- Encoding.  Functions append to `buffer`, whose size is `count`, and return its new size; or nil and the error.
  -- `used` is the number of slots that C's functions would use of Lua's stack.

  local function number_text(number)
    if number - number ~= 0 then
      if not encodes_invalid_numbers then return nil, 'Cannot serialise number: must not be NaN or Inf' end
      if encodes_invalid_numbers == 'null' then return 'null' end
      return number ~= number and 'nan' or number > 0 and 'inf' or '-inf'
    end
    return number_format and format(number_format, number) or number
  end

  -- Return the number of items of a table that is an array, 0 or less if it is not, or nil and the error.
  local function array_length(t)
    local greatest, items = 0, 0
    for key in next, t do
      if type(key) ~= 'number' or key < 1 or floor(key) ~= key then return -1 end
      -- C's conversion to an int
      if key > greatest then greatest = key <= INT_MAX and key or -2^31 end
      items = items + 1
    end
    if sparse_ratio > 0 and greatest > sparse_safe and greatest > (items * sparse_ratio + 2^31) % 2^32 - 2^31 then
      if not converts_sparse then return nil, 'Cannot serialise table: excessively sparse array' end
      return -1
    end
    return greatest
  end

  local append_value

  local function append_object(t, buffer, count, depth, used)
    local entries, is_first = first_entries, true
    for key, value in next, t do
      local head = entries[key]
      if not head then
        local kind = type(key)
        if kind == 'string' then
          head = entry(key, is_first)
        elseif kind == 'number' then
          local text, message = number_text(key)
          if not text then return nil, message end
          head = (is_first and '{"' or ',"') .. text .. '":'
        else
          return nil, format('Cannot serialise %s: table key must be a number or string', kind)
        end
      end
      if is_first then is_first = false end
      entries = other_entries
      count = count + 1
      buffer[count] = head
      local kind = type(value)
      if kind == 'string' then
        buffer[count + 1] = '"'
        buffer[count + 2] = find(value, PLAIN) and value or gsub(value, ESCAPED, ESCAPES)
        count = count + 3
        buffer[count] = '"'
      elseif kind == 'number' and value - value == 0 and not number_format then
        count = count + 1
        buffer[count] = SMALL_INTEGERS[value] or value
      elseif kind == 'boolean' then
        count = count + 1
        buffer[count] = value and 'true' or 'false'
      else
        local message
        count, message = append_value(value, buffer, count, depth, used + 2)
        if not count then return nil, message end
      end
    end
    count = count + 1
    buffer[count] = is_first and '{}' or '}'
    return count
  end

  local function append_array(t, length, buffer, count, depth, used)
    local separator = '['
    for index = 1, length do
      count = count + 1
      buffer[count] = separator
      separator = ','
      local value = rawget(t, index)
      local kind = type(value)
      if kind == 'string' then
        buffer[count + 1] = '"'
        buffer[count + 2] = find(value, PLAIN) and value or gsub(value, ESCAPED, ESCAPES)
        count = count + 3
        buffer[count] = '"'
      elseif kind == 'number' and value - value == 0 and not number_format then
        count = count + 1
        buffer[count] = SMALL_INTEGERS[value] or value
      else
        local message
        count, message = append_value(value, buffer, count, depth, used + 1)
        if not count then return nil, message end
      end
    end
    count = count + 1
    buffer[count] = ']'
    return count
  end

  function append_value(value, buffer, count, depth, used)
    local kind = type(value)
    if kind == 'table' then
      depth = depth + 1
      if depth > encode_depth or used > STACK_SLOTS then
        return nil, format('Cannot serialise, excessive nesting (%d)', depth)
      end
      local length = 0
      for key in next, value do
        length = length + 1
        if key ~= length then
          length = -1
          if type(key) ~= 'string' then
            local message
            length, message = array_length(value)
            if not length then return nil, message end
          end
          break
        end
      end
      if length > 0 then return append_array(value, length, buffer, count, depth, used) end
      return append_object(value, buffer, count, depth, used)
    end
    count = count + 1
    if kind == 'string' then
      buffer[count] = '"' .. (find(value, PLAIN) and value or gsub(value, ESCAPED, ESCAPES)) .. '"'
    elseif kind == 'number' then
      local text, message = number_text(value)
      if not text then return nil, message end
      buffer[count] = text
    elseif kind == 'boolean' then
      buffer[count] = value and 'true' or 'false'
    elseif value == nil or value == null then
      buffer[count] = 'null'
    else
      return nil, format('Cannot serialise %s: type not supported', kind)
    end
    return count
  end

  local spare

  function library.encode(...)
    if select('#', ...) ~= 1 then misuse(1, 'expected 1 argument') end
    local value = ...
    local buffer = spare or {}
    spare = nil
    local count, message = append_value(value, buffer, 0, 0, 1)
    if not count then error(message, 2) end
    local text = concat(buffer, '', 1, count)
    if count <= BUFFER_KEPT and #text <= TEXT_SIZE_KEPT then spare = buffer end
    return text
  end

  -- Decoding.  Functions return the value and the position after it, or the error and nil.  `used` as above.

  local read_array, read_object

  -- Read the value whose first character is at the position.
  local function read_value(text, position, first, depth, used)
    if first == '"' then
      local value, after = match(text, STRING, position + 1)
      if value then return value, after end
    elseif first == '{' then
      return read_object(text, position + 1, depth, used)
    elseif first == '[' then
      return read_array(text, position + 1, depth, used)
    elseif OPENS_LITERAL[first] then
      local word = match(text, '^%l+', position)
      local value = LITERALS[word]
      if value ~= nil then return value, position + #word end
    elseif OPENS_NUMBER[first] and takes_invalid_numbers then
      local digits, after = match(text, NUMBER, position)
      local value = tonumber(digits)
      if value then return value, after end
    end
    local kind, blamed, after, value = read_token(text, position, takes_invalid_numbers)
    if not SCALARS[kind] then return unexpected('value', kind, blamed) end
    return value, after
  end

  -- Return an object's key that stands at or after the position, and the position and the first character of the
  -- value; or nil and the error.
  local function read_key(text, position)
    local kind, blamed, after, key = read_token(text, position, takes_invalid_numbers)
    if kind ~= 'T_STRING' then return nil, unexpected('object key string', kind, blamed) end
    kind, blamed, after = read_token(text, after, takes_invalid_numbers)
    if kind ~= 'T_COLON' then return nil, unexpected('colon', kind, blamed) end
    return key, match(text, '^' .. SPACE .. '()(.?)', after)
  end

  function read_object(text, position, depth, used)
    depth = depth + 1
    if depth > decode_depth or used > STACK_SLOTS then
      return format('Found too many nested data structures (%d) at character %d', depth, position - 1)
    end
    local object = {}
    local key, start, first = match(text, FIRST_KEY, position)
    if not key then
      local after = match(text, OBJECT_END, position)
      if after then return object, after end
      key, start, first = read_key(text, position)
      if not key then return start end
    end
    while true do
      local value, next_key, next_start, next_first
      if first == '"' then
        value, next_key, next_start, next_first = match(text, STRING_AND_KEY, start + 1)
        if not value then
          value, next_start = match(text, STRING_AND_OBJECT_END, start + 1)
          if value then
            object[key] = value
            return object, next_start
          end
        end
      elseif OPENS_NUMBER[first] and takes_invalid_numbers then
        value, next_key, next_start, next_first = match(text, NUMBER_AND_KEY, start)
        value = tonumber(value)
        if not next_key then
          value, next_start = match(text, NUMBER_AND_OBJECT_END, start)
          value = tonumber(value)
          if value then
            object[key] = value
            return object, next_start
          end
        end
      end
      if value and next_key then
        object[key] = value
        key, start, first = next_key, next_start, next_first
      else
        value, position = read_value(text, start, first, depth, used + 2)
        if not position then return value end
        object[key] = value
        key, start, first = match(text, NEXT_KEY, position)
        if not key then
          local after = match(text, OBJECT_END, position)
          if after then return object, after end
          local kind, blamed
          kind, blamed, after = read_token(text, position, takes_invalid_numbers)
          if kind ~= 'T_COMMA' then return unexpected('comma or object end', kind, blamed) end
          key, start, first = read_key(text, after)
          if not key then return start end
        end
      end
    end
  end

  function read_array(text, position, depth, used)
    depth = depth + 1
    if depth > decode_depth or used > STACK_SLOTS then
      return format('Found too many nested data structures (%d) at character %d', depth, position - 1)
    end
    local array, index = {}, 0
    local start, first = match(text, FIRST_ITEM, position)
    if first == ']' then return array, start + 1 end
    while true do
      index = index + 1
      local value, next_start, next_first
      if first == '"' then
        value, next_start, next_first = match(text, STRING_AND_ITEM, start + 1)
      elseif OPENS_NUMBER[first] and takes_invalid_numbers then
        value, next_start, next_first = match(text, NUMBER_AND_ITEM, start)
        value = tonumber(value)
      end
      if value and next_start then
        array[index] = value
        start, first = next_start, next_first
      else
        value, position = read_value(text, start or position, first, depth, used + 1)
        if not position then return value end
        array[index] = value
        start, first = match(text, NEXT_ITEM, position)
        if not start then
          local after = match(text, ARRAY_END, position)
          if after then return array, after end
          local kind, blamed
          kind, blamed, after = read_token(text, position, takes_invalid_numbers)
          if kind ~= 'T_COMMA' then return unexpected('comma or array end', kind, blamed) end
          position = after
        end
      end
    end
  end

  function library.decode(...)
    if select('#', ...) ~= 1 then misuse(1, 'expected 1 argument') end
    local text = ...
    local kind = type(text)
    if kind == 'number' then
      text = text .. ''
    elseif kind ~= 'string' then
      misuse(1, 'string expected, got ' .. kind)
    end
    local zero = find(text, '\0', 1, true)
    if zero then
      if zero <= 2 and #text >= 2 then error('JSON parser does not support UTF-16 or UTF-32', 2) end
      text = sub(text, 1, zero - 1)
    end
    local start, first = match(text, FIRST_ITEM)
    local value, position = read_value(text, start or #text + 1, first, 0, 0)
    if not position then error(value, 2) end
    if position <= #text then
      local token, blamed = read_token(text, position, takes_invalid_numbers)
      if token ~= 'T_END' then error(unexpected('the end', token, blamed), 2) end
    end
    return value
  end

  -- Configuration: each function sets what it is given, and returns the present state.

  function library.encode_sparse_array(...)
    local convert, ratio, safe = ...
    if select('#', ...) > 3 then misuse(4, 'found too many arguments') end
    changed = true
    local reason, index, value
    reason, value = switch_option(convert, converts_sparse, SWITCH)
    if reason then misuse(1, reason) end
    converts_sparse = value
    value, index, reason = integer_option(2, ratio, sparse_ratio, FROM_ZERO)
    if not value then misuse(index, reason) end
    sparse_ratio = value
    value, index, reason = integer_option(3, safe, sparse_safe, FROM_ZERO)
    if not value then misuse(index, reason) end
    sparse_safe = value
    return converts_sparse, sparse_ratio, sparse_safe
  end

  function library.encode_max_depth(...)
    if select('#', ...) > 1 then misuse(2, 'found too many arguments') end
    local value, index, reason = integer_option(1, (...), encode_depth, FROM_ONE)
    if not value then misuse(index, reason) end
    encode_depth, changed = value, true
    return value
  end

  function library.decode_max_depth(...)
    if select('#', ...) > 1 then misuse(2, 'found too many arguments') end
    local value, index, reason = integer_option(1, (...), decode_depth, FROM_ONE)
    if not value then misuse(index, reason) end
    decode_depth, changed = value, true
    return value
  end

  function library.encode_number_precision(...)
    if select('#', ...) > 1 then misuse(2, 'found too many arguments') end
    local value, index, reason = integer_option(1, (...), precision, PRECISION)
    if not value then misuse(index, reason) end
    precision, changed = value, true
    number_format = value ~= 14 and format('%%.%dg', value) or nil
    return value
  end

  function library.encode_keep_buffer(...)
    if select('#', ...) > 1 then misuse(2, 'found too many arguments') end
    local reason, value = switch_option((...), keeps_buffer, SWITCH)
    if reason then misuse(1, reason) end
    keeps_buffer, changed = value, true
    return value
  end

  function library.encode_invalid_numbers(...)
    if select('#', ...) > 1 then misuse(2, 'found too many arguments') end
    local reason, value = switch_option((...), encodes_invalid_numbers, SWITCH_OR_NULL)
    if reason then misuse(1, reason) end
    encodes_invalid_numbers, changed = value, true
    return value
  end

  function library.decode_invalid_numbers(...)
    if select('#', ...) > 1 then misuse(2, 'found too many arguments') end
    local reason, value = switch_option((...), takes_invalid_numbers, SWITCH)
    if reason then misuse(1, reason) end
    takes_invalid_numbers, changed = value, true
    return value
  end

  function library.new() return (new_library()) end

  return library, reset
end

return new_library()
