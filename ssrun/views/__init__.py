"""What people read. Views run nothing and change nothing but the files that they write."""
