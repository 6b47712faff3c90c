"""What is asked of methods: name the types, recover hidden values."""
