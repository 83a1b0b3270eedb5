"""Who may use what a process has little of, and when: threads, memory, connections."""
