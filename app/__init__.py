"""The desktop program: devices, threads, commands and (under app/ui) the window."""
