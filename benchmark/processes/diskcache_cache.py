# DiskCache's Cache: does what it is asked for, a line of JSON each, and answers with a line: how many nanoseconds that took, and whether the
# system took the processor away meanwhile. Arguments: the directory, the eviction policy, and how many shards a
# FanoutCache is to have, 0 for a Cache.
import json
import math
import random
import resource
import sys
import time

import diskcache

directory, eviction, shards = sys.argv[1], sys.argv[2], int(sys.argv[3])
options = {'timeout': 20, 'eviction_policy': eviction}
if shards > 0:
    cache = diskcache.FanoutCache(directory, shards=shards, **options)
else:
    cache = diskcache.Cache(directory, **options)


@cache.memoize()
def computed(n):
    return 'x' * 1000


def get_many(keys):
    with cache.transact():
        return [cache.get(key) for key in keys]


def set_many(entries):
    with cache.transact():
        for key, value in entries:
            cache.set(key, value)


methods = {
    'get': cache.get,
    'set': cache.set,
    'setFor': lambda key, value, ttl: cache.set(key, value, expire=ttl / 1000),
    'delete': cache.delete,
    'getMany': get_many,
    'setMany': set_many,
    'add': cache.add,
    'touch': lambda key, ttl: cache.touch(key, expire=ttl / 1000),
    'increment': lambda key: cache.incr(key, default=0),
    'memoized': computed,
    'fill': set_many,
}


def switches():
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def call(method, inputs):
    function = methods[method]
    before = switches()
    start = time.perf_counter_ns()
    for args in inputs:
        function(*args)
    took = time.perf_counter_ns() - start
    return {'took': took, 'disturbed': switches() > before}


def mix(start, end, number, keys, buckets):
    """The same as `mix` of cache-mix.js."""
    random.seed(number)
    counts = {name: {} for name in ('get', 'set', 'delete')}
    longest = dict.fromkeys(counts, 0)
    time.sleep(max(0, start / 1000 - time.time()))
    count = 0
    while time.time() * 1000 < end:
        key = str(random.randrange(keys))
        value = str(count) * random.randrange(1, 100)
        choice = random.random()
        name = 'get' if choice < 0.9 else 'set' if choice < 0.99 else 'delete'
        begun = time.perf_counter_ns()
        if name == 'get':
            cache.get(key)
        elif name == 'set':
            cache.set(key, value)
        else:
            cache.delete(key)
        took = time.perf_counter_ns() - begun
        bucket = round(math.log(took) * buckets)
        counts[name][bucket] = counts[name].get(bucket, 0) + 1
        longest[name] = max(longest[name], took)
        count += 1
    return {'count': count, 'counts': counts, 'longest': longest}


print('"ready"', flush=True)
for line in sys.stdin:
    question = json.loads(line)
    if 'method' in question:
        answer = call(question['method'], question['inputs'])
    else:
        answer = mix(**question['mix'])
    print(json.dumps(answer), flush=True)
