"""Doors for web frameworks; users import the one they need: ``fastapi``, ``flask``, ``asgi`` or ``wsgi``."""
