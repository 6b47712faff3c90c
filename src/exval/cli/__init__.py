"""The command line: thin commands over :mod:`exval.verbs`; importing it imports neither torch nor anndata."""
