"""Gene tables that are shipped with the package; NOTICE.txt names their sources."""
