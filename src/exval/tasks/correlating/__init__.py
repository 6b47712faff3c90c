"""A contrast of the brain beside gene expression: where they meet, how alike they are, and what chance makes of it."""
