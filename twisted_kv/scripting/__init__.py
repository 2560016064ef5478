"""Lua for scripts and functions: the interpreter, the conversion of values, and the libraries that Redis gives them.

It is handed a function that runs commands, and knows no engine.  `lupa` (Lua 5.1.5 itself, the version that Redis
embeds) is imported when the first script comes.
"""
