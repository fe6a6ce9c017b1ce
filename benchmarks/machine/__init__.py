"""Where it happens: the machine, its cores, and the processes that are started on them."""
