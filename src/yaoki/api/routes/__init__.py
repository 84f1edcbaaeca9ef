"""Routes: sessions, their messages and events, the pages, and what operators ask."""
