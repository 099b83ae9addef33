# DiskCache's Lock: `alone <directory> <cycles>` prints microseconds for each time that it is taken and given back;
# `contend <directory> <start> <seconds> <milliseconds>` prints how often it was taken, and the longest wait in milliseconds.
import json
import sys
import time

import diskcache

how, directory, *rest = sys.argv[1:]
lock = diskcache.Lock(diskcache.Cache(directory), 'lock')

if how == 'alone':
    cycles = int(rest[0])
    for _ in range(100):
        lock.acquire()
        lock.release()
    begun = time.perf_counter()
    for _ in range(cycles):
        lock.acquire()
        lock.release()
    print((time.perf_counter() - begun) / cycles * 1e6)
else:
    start, seconds, hold = float(rest[0]), float(rest[1]), float(rest[2]) / 1000
    count, longest = 0, 0
    time.sleep(max(0, start - time.time()))
    while time.time() < start + seconds:
        asked = time.perf_counter()
        lock.acquire()
        held = time.perf_counter()
        while time.perf_counter() < held + hold:
            pass
        lock.release()
        longest = max(longest, held - asked)
        count += 1
    print(json.dumps({'count': count, 'longest': longest * 1000}))
