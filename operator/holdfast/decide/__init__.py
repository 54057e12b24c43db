"""Pure decisions: an observation and the time in, actions with a reason and a sentence out. No I/O, no clock."""
