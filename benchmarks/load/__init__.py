"""One load: planned, sent by a child process, written down request by request, audited, summarised."""
