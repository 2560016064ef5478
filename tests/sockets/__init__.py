"""Reactors and sockets whose turns a test takes."""
