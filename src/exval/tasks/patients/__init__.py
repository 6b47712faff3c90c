"""The benchmark of bulk patients: classes from few genes, values that were not measured, survival, anchor genes."""
