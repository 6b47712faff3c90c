"""Example cells that are shipped with the package; LICENSE.txt names their source."""
