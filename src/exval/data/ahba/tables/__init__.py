"""Tables for the Allen Human Brain Atlas; sources and licences are in NOTICE.txt."""
