"""Result folders and intervals."""
