"""From files to numbers: readers, genes, units, packed batches, the store."""
