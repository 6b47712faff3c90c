"""One function a verb: the command line and `import exval` offer the same ones."""
