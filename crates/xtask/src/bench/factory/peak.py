"""Runs a program; prints how long it takes, in seconds, and the peak of its memory, in KB.

The memory is that of the biggest one among the program and those that it starts.
"""

import resource
import subprocess
import sys
import time

started = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - started
print(seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
