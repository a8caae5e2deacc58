"""What another policy would have earned, from the log of this one."""
