"""What people see: tables, figures, one offline page. Reads results only."""
