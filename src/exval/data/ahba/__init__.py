"""The Allen Human Brain Atlas: from the downloads of the six donors to a table of samples by genes.

Every file holds one step: ``layout`` (which files), ``reading`` (their contents), ``ontology``, ``reannotate`` (probe
to gene), ``coordinates`` (positions, sides, mirror images), ``probes`` (one value for each gene), ``normalise``,
``atlas`` and ``parcels`` (regions), ``pipeline`` (all of them), ``miniature`` (a made-up atlas in the true layout).
"""
