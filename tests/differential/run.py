#!/usr/bin/env python3
"""Asks a real MongoDB and this server's adapter the same random questions and reports where they differ.

usage: run.py --mongod mongodb://127.0.0.1:27017/?directConnection=true --adapter 'CMD' [--kind filter,update,…]
              [--seed 1] [--rounds 1000] [--show 10]

Each round has its own seed (`--seed` plus its number), printed with every difference, so that one round can be
repeated alone with `--seed S --rounds 1`. Needs pymongo and a running MongoDB 6.0; nothing of it is part of the tests
that run without one. Exit status 0 means no difference.
"""
import argparse
import collections
import json
import math
import random
import shlex
import subprocess
import sys

import pymongo
from bson import Int64, json_util
from bson.codec_options import CodecOptions, DatetimeConversion

from generate import TYPE_NAMES, Generator

CANONICAL = json_util.JSONOptions(
    json_mode=json_util.JSONMode.CANONICAL, tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO)
CODEC = CodecOptions(tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO)
BATCH = {'batchSize': 100000}


def decode(json_value):
    """Extended JSON to BSON values; `$regex` is always the operator, whole numbers beyond 32 bits are longs."""
    if isinstance(json_value, list):
        return [decode(member) for member in json_value]
    if isinstance(json_value, dict):
        if len(json_value) == 1:
            (name, _), = json_value.items()
            if name in TYPE_NAMES:
                return json_util.loads(json.dumps(json_value), json_options=CANONICAL)
        return {name: decode(member) for name, member in json_value.items()}
    if isinstance(json_value, int) and not isinstance(json_value, bool) and not -2**31 <= json_value < 2**31:
        return Int64(json_value)
    return json_value


def encode(value):
    return normal(json.loads(json_util.dumps(value, json_options=CANONICAL)))


class Oracle:
    """A real MongoDB."""

    def __init__(self, uri):
        self.database = pymongo.MongoClient(uri).get_database('differential', codec_options=CODEC)

    def command(self, command):
        return self.database.command(command, codec_options=CODEC, check=False)

    def fill(self, docs):
        self.command({'delete': 'c', 'deletes': [{'q': {}, 'limit': 0}]})
        if docs:
            self.command({'insert': 'c', 'documents': decode(docs)})

    def after(self):
        return encode(self.command({'find': 'c', 'sort': {'_id': 1}, **BATCH})['cursor']['firstBatch'])

    def answer(self, request):
        op, args = request['op'], decode(request['args'])
        if op == 'find':
            reply = self.command({'find': 'c', **args, **BATCH})
            return fault(reply) or {'docs': encode(reply['cursor']['firstBatch'])}
        if op == 'distinct':
            reply = self.command({'distinct': 'c', 'key': args['key'], 'query': args['filter']})
            return fault(reply) or {'values': encode(reply['values'])}
        args['q'], args['u'] = args.pop('filter'), args.pop('update')
        reply = self.command({'update': 'c', 'updates': [args]})
        error = fault(reply)
        if error:
            return {**error, 'after': self.after()}
        upserted = len(reply.get('upserted') or [])
        stats = {'matched': reply['n'] - upserted, 'modified': reply['nModified'], 'upserted': upserted}
        return {'stats': stats, 'after': self.after()}


def fault(reply):
    if reply.get('ok') != 1.0:
        return {'error': {'code': reply.get('code'), 'message': reply.get('errmsg')}}
    if reply.get('writeErrors'):
        error = reply['writeErrors'][0]
        return {'error': {'code': error['code'], 'message': error['errmsg']}}
    return None


class Adapter:
    """This server's adapter: a JSON line in, a JSON line out."""

    def __init__(self, command):
        self.process = subprocess.Popen(shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        bufsize=1, encoding='utf-8')

    def answer(self, request):
        self.process.stdin.write(json.dumps(request, ensure_ascii=False) + '\n')
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit('the adapter ended on ' + json.dumps(request, ensure_ascii=False))
        return normal(json.loads(line))


def normal(value):
    """One spelling for each double."""
    if isinstance(value, list):
        return [normal(member) for member in value]
    if isinstance(value, dict):
        if set(value) == {'$numberDouble'}:
            return {'$numberDouble': repr(float(value['$numberDouble']))}
        return {name: normal(member) for name, member in value.items()}
    return value


def same(a, b):
    """Equal to the kind of each number and the order of fields; fresh ids count as equal, doubles may differ by rounding."""
    if isinstance(a, dict) and isinstance(b, dict):
        if list(a) != list(b):
            return False
        if set(a) == {'$oid'}:
            return a == b or not (a['$oid'].startswith('0' * 20) and b['$oid'].startswith('0' * 20))
        if set(a) == {'$numberDouble'}:
            return same_double(a['$numberDouble'], b['$numberDouble'])
        return all(same(a[name], b[name]) for name in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def same_double(a, b):
    x, y = float(a), float(b)
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return x == y and math.copysign(1, x) == math.copysign(1, y)


def difference(request, expect, found):
    """What differs first; None where nothing does."""
    if ('error' in expect) != ('error' in found):
        return 'one fails'
    if 'error' in expect:
        if expect['error']['code'] != found['error']['code']:
            return 'other error'
    if 'values' in expect:
        return None if same(expect['values'], found['values']) else 'values'
    for part in ('stats', 'docs', 'after'):
        if part in expect and part == 'stats' and expect[part] != found.get(part):
            return part
        if part in expect and part != 'stats' and not same(expect[part], found.get(part)):
            return part
    return None


def requests(kind, generator, docs):
    """The requests of one round, all on the same documents."""
    if kind == 'mistake':
        return [mistake(generator, docs) for _ in range(10)]
    if kind == 'filter':
        return [{'op': 'find', 'args': {'filter': generator.filter(), 'sort': {'_id': 1}}} for _ in range(25)]
    if kind == 'regex':
        options = lambda: ''.join(letter for letter in 'imsx' if generator.chance(0.15))
        return [{'op': 'find', 'args': {'filter': {'a': {'$regex': generator.pattern(), '$options': options()}}, 'sort': {'_id': 1}}}
                for _ in range(25)]
    if kind == 'sort':
        return [{'op': 'find', 'args': {'filter': {}, 'sort': generator.sort()}} for _ in range(10)]
    if kind == 'distinct':
        return [{'op': 'distinct', 'args': {'key': generator.path(), 'filter': {}}} for _ in range(8)]
    if kind == 'collation':
        collation = {'locale': 'en', 'strength': generator.pick(1, 2, 3)}
        return [{'op': 'find', 'args': {'filter': generator.filter(), 'sort': {'_id': 1}, 'collation': collation}}
                for _ in range(25)]
    made = []
    for _ in range(6):
        update = generator.update(docs[0] if docs else None)
        condition = {} if generator.chance(0.5) else generator.filter(1)
        args = {'filter': condition, 'update': update, 'multi': generator.chance(0.2), 'upsert': kind == 'upsert'}
        filters = generator.array_filters(update)
        if filters:
            args['arrayFilters'] = filters
        made.append({'op': 'update', 'args': args})
    return made


def mistake(generator, docs):
    """A request with one thing wrong in it, more often than not."""
    if generator.chance(0.5):
        return {'op': 'find', 'args': {'filter': generator.mistaken(generator.filter()), 'sort': {'_id': 1}}}
    update = generator.update(docs[0])
    args = {'filter': {}, 'update': generator.mistaken(update), 'multi': False, 'upsert': False}
    filters = generator.array_filters(update)
    if filters:
        args['arrayFilters'] = generator.mistaken(filters) if generator.chance(0.3) else filters
    return {'op': 'update', 'args': args}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--mongod', required=True)
    parser.add_argument('--adapter', required=True)
    parser.add_argument('--kind', default='filter,sort,distinct,update,upsert,collation,mistake,regex')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--rounds', type=int, default=200)
    parser.add_argument('--show', type=int, default=10)
    options = parser.parse_args()
    oracle, adapter = Oracle(options.mongod), Adapter(options.adapter)
    counts, shown = collections.Counter(), 0
    for kind in options.kind.split(','):
        for seed in range(options.seed, options.seed + options.rounds):
            generator = Generator(random.Random(f'{kind} {seed}'))
            docs = [{'_id': place, 'a': generator.text()} for place in range(20)] if kind == 'regex' else generator.documents({'update': 1, 'upsert': 0, 'mistake': 1}.get(kind, 12))
            writes = kind in ('update', 'upsert', 'mistake')
            if not writes:
                oracle.fill(docs)
            for request in requests(kind, generator, docs):
                if writes:
                    oracle.fill(docs)
                expect = oracle.answer(request)
                found = adapter.answer({'id': str(seed), 'docs': docs, **request})
                what = difference(request, expect, found)
                counts[kind, 'different' if what else 'error' if 'error' in expect else 'same'] += 1
                if what and shown < options.show:
                    shown += 1
                    report(kind, seed, what, docs, request, expect, found)
    for kind in options.kind.split(','):
        print(f"{kind:12} same {counts[kind, 'same']}, same error {counts[kind, 'error']}, different {counts[kind, 'different']}")
    return 1 if any(what == 'different' for _, what in counts) else 0


def report(kind, seed, what, docs, request, expect, found):
    text = lambda value: json.dumps(value, ensure_ascii=False)
    print(f'--- {kind} --seed {seed}: {what}\n  args   {text(request["args"])}')
    if what == 'docs':
        # Only the documents on which both disagree.
        ids = lambda reply: [doc['_id'] for doc in reply['docs']]
        wrong = [i for i in map(text, ids(expect) + ids(found)) if (i in map(text, ids(expect))) != (i in map(text, ids(found)))]
        for doc in docs:
            if text({'$numberInt': str(doc['_id'])}) in wrong:
                print('  doc   ', text(doc))
        print('  expect ids', [i['$numberInt'] for i in ids(expect)], '\n  found  ids', [i['$numberInt'] for i in ids(found)])
    else:
        print('  docs  ', text(docs), '\n  expect', text(expect), '\n  found ', text(found))


if __name__ == '__main__':
    sys.exit(main())
