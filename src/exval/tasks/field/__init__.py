"""Fields judged: who is held out, what is counted, what may be said."""
