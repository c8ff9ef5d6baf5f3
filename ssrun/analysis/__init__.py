"""What runs say: statistics and the comparison over many, and a look inside one."""
