"""Know the machine: its CPUs, what this process may use of them, and how threads are placed on them."""
