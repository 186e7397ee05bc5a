"""What people decided by hand: a journal that is only ever appended to, its replay, and what stages make of it."""
