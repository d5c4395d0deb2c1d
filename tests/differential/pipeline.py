#!/usr/bin/env python3
"""Asks a real MongoDB and this server's adapter the same pipelines and reports where they differ.

usage: pipeline.py --mongod mongodb://127.0.0.1:27017/?directConnection=true --adapter 'CMD'
                   [--seed 1] [--rounds 1000] [--show 10] [--shapes]

`--shapes` asks a fixed list of stages instead, most of them malformed, whose faults must have the same number. Random
rounds compare documents in any order, unless the last stage sorts by `_id`. Each has its own seed, printed with every
difference, so that one round can be repeated alone with `--seed S --rounds 1`. Exit status 0 means no difference.

What differs on purpose is set apart and counted: MongoDB 6.0.5 gives malformed values for MinKey and MaxKey behind some
stages; a field that is removed and set again keeps its old place there and comes last here; and where several stages
would fail, which fault is raised depends on the order in which stages run.
"""
import argparse
import json
import random
import sys

from generate import Generator
from run import BATCH, Adapter, Oracle, decode, encode, fault, same

PATHS = ['a', 'b', 'c', 'a.b', 'b.a', 'a.0', 'c.b']
#: Numbers of faults that depend on which of MongoDB's two engines ran the stage.
ENGINES = {4934200: 40066, 4848401: 2, 4848403: 16610, 5073201: 28651}


class Pipelines(Generator):
    def path(self):
        return self.random.choice(PATHS)

    def operand(self, depth=2):
        if depth > 0 and self.chance(0.5):
            return self.expression(depth - 1)
        return '$' + self.path() if self.chance(0.7) else {'$literal': self.value(1)}

    def expression(self, depth=2):
        one, two = lambda: self.operand(depth), lambda: [self.operand(depth), self.operand(depth)]
        return self.pick(
            lambda: {self.pick('$eq', '$ne', '$gt', '$lt', '$gte', '$lte', '$cmp'): two()},
            lambda: {self.pick('$add', '$subtract', '$multiply', '$divide', '$mod'): two()},
            lambda: {self.pick('$abs', '$ceil', '$floor', '$trunc', '$sqrt', '$toString', '$toBool', '$type', '$isArray',
                               '$isNumber', '$not', '$size', '$toInt', '$toDouble', '$toLong', '$bsonSize'): one()},
            lambda: {self.pick('$and', '$or', '$ifNull', '$concat', '$concatArrays', '$setUnion', '$setEquals',
                               '$setDifference', '$mergeObjects', '$max', '$min', '$sum', '$avg'): two()},
            lambda: {'$cond': [self.operand(depth), self.operand(depth), self.operand(depth)]},
            lambda: {'$in': two()},
            lambda: {'$arrayElemAt': [one(), self.random.randint(-2, 2)]},
            lambda: {'$slice': [one(), self.random.randint(-2, 2)]},
            lambda: {'$map': {'input': one(), 'as': 'x', 'in': self.pick('$$x', '$$x.b', {'$type': '$$x'})}},
            lambda: {'$filter': {'input': one(), 'as': 'x', 'cond': {'$gt': ['$$x', 1]}}},
            lambda: {'$reduce': {'input': one(), 'initialValue': 0, 'in': {'$ifNull': ['$$this', '$$value']}}},
            lambda: {'$objectToArray': one()},
            lambda: {'$let': {'vars': {'v': one()}, 'in': {'$eq': ['$$v', self.operand(0)]}}},
            lambda: {'$switch': {'branches': [{'case': one(), 'then': 1}], 'default': one()}},
        )()

    def accumulator(self):
        return self.pick(
            lambda: {self.pick('$sum', '$avg', '$min', '$max'): self.operand(1)},
            lambda: {'$count': {}},
            lambda: {self.pick('$minN', '$maxN'): {'n': self.random.randint(1, 3), 'input': self.operand(0)}},
        )()

    def stage(self):
        name = lambda: self.pick('a', 'b', 'x')
        return self.pick(
            lambda: {'$match': self.filter()},
            lambda: {'$match': {'$expr': self.expression(1)}},
            lambda: {self.pick('$addFields', '$set'): {self.pick(name(), 'a.x', 'b.a'): self.operand(2)}},
            lambda: {'$project': {name(): self.pick(1, True, self.expression(1)), 'c': 1}},
            lambda: {'$project': {self.path(): 0}},
            lambda: {'$unset': self.path()},
            lambda: {'$replaceWith': {'_id': '$_id', name(): self.operand(1)}},
            lambda: {'$unwind': {'path': '$' + self.path(), 'preserveNullAndEmptyArrays': self.chance(0.5)}},
            lambda: {'$group': {'_id': self.pick('$' + self.path(), {'k': '$' + self.path()}, self.operand(1), None),
                                'n': self.accumulator(), 'x': self.accumulator()}},
            lambda: {'$sortByCount': '$' + self.path()},
            lambda: {'$lookup': {'from': 'c', 'localField': self.path(), 'foreignField': self.path(), 'as': 'x'}},
            lambda: {'$lookup': {'from': 'c', 'let': {'v': '$' + self.path()}, 'as': 'y',
                                 'pipeline': [{'$match': {'$expr': {'$eq': ['$' + self.path(), '$$v']}}}, {'$project': {'_id': 1}}]}},
            lambda: {'$unionWith': {'coll': 'c', 'pipeline': [{'$match': self.filter()}]}},
            lambda: {'$bucket': {'groupBy': '$' + self.path(), 'boundaries': [-1, 1, 3], 'default': 'other'}},
            lambda: {'$facet': {'f': [{'$match': self.filter()}, {'$count': 'n'}]}},
            lambda: {'$count': 'n'},
            lambda: {'$setWindowFields': {'partitionBy': self.pick('$' + self.path(), None), 'sortBy': {'_id': 1}, 'output': {
                'w': {**self.accumulator(), 'window': {'documents': self.pick(['unbounded', 'current'], [-1, 1], [0, 2])}}}}},
        )()

    def pipeline(self):
        stages = [self.stage() for _ in range(self.random.randint(1, 3))]
        return stages + [{'$sort': {'_id': 1}}] if self.chance(0.3) else stages


#: Stages whose faults, or plain results, must agree.
CALL = {'from': 'c', 'startWith': '$a', 'connectFromField': 'a', 'connectToField': 'a', 'as': 'x'}
JOIN = {'from': 'c', 'as': 'x', 'localField': 'a', 'foreignField': 'a'}
BUCKET = {'groupBy': '$a', 'boundaries': [1, 5]}
AUTO = {'groupBy': '$a', 'buckets': 1}
SHAPES = {
    '$project': [{}, 1, {'a': '$b'}, {'a': {}}, {'a': {'b': 1, 'c': 0}}, {'a': 1, 'b': 0}, {'a.b': 1, 'a': 1}, {'': 1}, {'$a': 1},
                 {'a..b': 1}, {'a': []}, {'a': {'$add': 1, 'b': 1}}, {'_id': 0}, {'_id': 0, 'a': 1}, {'_id': 1, 'a': 0}, {'a': None}],
    '$addFields': [{}, 1, {'a.b': 1, 'a': 1}, {'a': {}}, {'a': {'b': {}}}, {'a.b': '$a'}, {'$a': 1}, {'a': {'$nope': 1}}, {'a': '$$REMOVE'}],
    '$unset': [[], ['a', 'a'], ['a', 'a.b'], '', 1, ['a', 1], '$a', '_id'],
    '$replaceRoot': [{}, 1, {'newRoot': 1}, {'newRoot': '$a'}, {'newRoot': {'a': '$$REMOVE'}}, {'newRoot': {}, 'x': 1}],
    '$replaceWith': [1, {'a': '$$REMOVE'}, '$nope'],
    '$limit': [1.5, -1, 0, None, '1', 1.0, {'$numberLong': '9223372036854775807'}], '$skip': [1.0, 1.5, -1, None, 0],
    '$sample': [1, {}, {'size': 'x'}, {'size': 0}, {'size': -1}, {'size': 1, 'x': 1}],
    '$sort': [{}, [], 1, {'a': 2}, {'a': 0}, {'a': 'x'}, {'a': {'$meta': 'textScore'}}, {'a': {'$meta': 'randVal'}}, {'a': {}},
              {'': 1}, {'a.': 1}, {'$a': 1}, {'a': 1.5}, {'a': 1.0}, {'a': True}, {'a': {'$meta': 'x'}}],
    '$count': [1, '', '$a', 'a.b', '_id', 'n'],
    '$group': [1, {}, {'_id': 1, 'b': 1}, {'_id': '$$x'}, {'_id': 1, 'a': {'$sum': 1, '$avg': 1}}, {'_id': 1, 'a': {}},
               {'_id': 1, 'a': {'$sum': [1, 2]}}, {'_id': 1, '$a': {'$sum': 1}}, {'_id': 1, 'a.b': {'$sum': 1}}, {'_id': 1, 'a': {'$avg': 'x'}},
               {'_id': {'$literal': {}}}, {'_id': {}}, {'_id': {'a.b': '$a'}}, {'_id': {'a': {'$nope': 1}}}, {'_id': [], 'a': {'$count': {}}},
               {'_id': 1, 'a': {'$count': 1}}, {'_id': 1, 'a': {'$nope': 1}}, {'_id': 1, 'a': {'$firstN': {'n': 0, 'input': '$a'}}},
               {'_id': 1, 'a': {'$firstN': {'n': 1}}}, {'_id': 1, 'a': {'$firstN': 1}}, {'_id': 1, 'a': {'$topN': {'n': 1}}},
               {'_id': 1, 'a': {'$top': {'sortBy': {'a': 1}, 'output': '$a'}}}, {'_id': 1, 'a': {'$top': {'sortBy': 1, 'output': '$a'}}},
               {'_id': 1, 'a': {'$mergeObjects': '$a'}}, {'_id': 1, 'a': {'$mergeObjects': '$nope'}}, {'_id': 1, 'a': {'$push': '$$ROOT'}}],
    '$unwind': [1, '', {}, '$', '$a.', 'a', {'path': '$a', 'x': 1}, {'path': '$a', 'includeArrayIndex': '$x'},
                {'path': '$a', 'includeArrayIndex': ''}, {'path': '$a', 'includeArrayIndex': 'a'},
                {'path': '$a', 'preserveNullAndEmptyArrays': 1}, {'path': 1}, '$_id', '$nope'],
    '$redact': ['$$KEEP', 1, '$$NOPE', {'$cond': [True, '$$PRUNE', '$$KEEP']}, '$a'],
    '$facet': [{}, 1, {'a': 1}, {'a': [1]}, {'a': []}, {'a.b': []}, {'$a': []}, {'': []}, {'a': [{'$facet': {'b': []}}]}, {'a': [{'$nope': 1}]},
               {'a': [{'$out': 'x'}]}, {'a': [{'$indexStats': {}}]}],
    '$lookup': [1, {}, {'from': 'c'}, {'from': 'c', 'as': 'x'}, {'from': 'c', 'as': 'x', 'localField': 'a'}, {**JOIN, 'x': 1}, {**JOIN, 'from': 1},
                {**JOIN, 'as': '$x'}, {**JOIN, 'as': ''}, {**JOIN, 'localField': '$a'}, {**JOIN, 'foreignField': '$a'}, {**JOIN, 'localField': ''},
                {'from': 'c', 'as': 'x', 'pipeline': 1}, {'from': 'c', 'as': 'x', 'pipeline': [1]}, {'from': 'c', 'as': 'x', 'pipeline': [{'$nope': 1}]},
                {'from': 'c', 'as': 'x', 'let': 1, 'pipeline': []}, {'from': 'c', 'as': 'x', 'let': {'A': 1}, 'pipeline': []}, {**JOIN, 'let': {'a': 1}},
                {'as': 'x', 'pipeline': []}, {'as': 'x', 'pipeline': [{'$documents': [{'q': 1}]}]}, {**JOIN, 'pipeline': []}, {**JOIN, 'from': ''},
                {'from': 'c', 'as': 'x', 'pipeline': [{'$out': 'y'}]}, {'from': 'c', 'as': 'x', 'pipeline': [{'$merge': 'y'}]}],
    '$graphLookup': [1, {}, {'from': 'c'}, CALL, {**CALL, 'maxDepth': -1}, {**CALL, 'maxDepth': 1.5}, {**CALL, 'maxDepth': 'x'}, {**CALL, 'z': 1},
                     {**CALL, 'connectFromField': 1}, {**CALL, 'restrictSearchWithMatch': 1}, {**CALL, 'depthField': '$x'}, {**CALL, 'depthField': 'd'},
                     {**CALL, 'from': 1}, {**CALL, 'as': ''}, {**CALL, 'connectToField': '$a'}, {**CALL, 'restrictSearchWithMatch': {'$nope': 1}}],
    '$unionWith': [1, '', {}, {'coll': 1}, {'coll': 'c', 'x': 1}, {'coll': 'c', 'pipeline': 1}, {'pipeline': []}, {'coll': 'c'},
                   {'pipeline': [{'$documents': [{'q': 1}]}]}, {'coll': 'c', 'pipeline': [{'$out': 'x'}]}, {'coll': 'c', 'pipeline': [1]}],
    '$sortByCount': [1, {}, {'a': 1}, 'a', '$a', '$$ROOT', {'$nope': 1}, None, {'$add': [1, 1]}],
    '$collStats': [1, {'x': 1}, {'count': 1}], '$indexStats': [1, {'x': 1}],
    '$match': ['x', {'$where': '1'}, {'a': {'$near': [0, 0]}}, {'$nope': 1}, {'a': {'$nope': 1}}, {'$expr': {'$nope': 1}}, None],
    '$bucket': [{}, 1, BUCKET, {**BUCKET, 'groupBy': 'a'}, {**BUCKET, 'boundaries': 1}, {**BUCKET, 'boundaries': [1]}, {**BUCKET, 'boundaries': [1, 1]},
                {**BUCKET, 'boundaries': [2, 1]}, {**BUCKET, 'boundaries': [1, 'a']}, {**BUCKET, 'boundaries': ['$a', 1]}, {**BUCKET, 'default': 3},
                {**BUCKET, 'default': 5}, {**BUCKET, 'default': '$a'}, {**BUCKET, 'output': 1}, {**BUCKET, 'output': {}}, {**BUCKET, 'x': 1},
                {**BUCKET, 'output': {'_id': {'$sum': 1}}}, {**BUCKET, 'boundaries': [1, 2.5]}, {**BUCKET, 'output': {'x': 1}}, {**BUCKET, 'boundaries': [None, 1]}],
    '$bucketAuto': [1, {}, AUTO, {**AUTO, 'groupBy': 1}, {**AUTO, 'buckets': 'x'}, {**AUTO, 'buckets': 1.5}, {**AUTO, 'buckets': -1}, {**AUTO, 'buckets': 0},
                    {**AUTO, 'granularity': 1}, {**AUTO, 'granularity': 'x'}, {**AUTO, 'output': 1}, {**AUTO, 'output': {}}, {**AUTO, 'x': 1},
                    {'groupBy': '$_id', 'buckets': 1, 'granularity': 'R5'}, {'groupBy': '$_id', 'buckets': 2, 'granularity': 'POWERSOF2'},
                    {'groupBy': '$_id', 'buckets': 3}, {'groupBy': '$_id', 'buckets': 2, 'granularity': 'E24'}],
    '$out': [1, '', {}, {'coll': 'x'}, 'system.x', {'db': 1, 'coll': 'x'}], '$merge': [{}, 1, '', {'into': 1}, {'into': 'c', 'x': 1}, {'into': 'c', 'whenMatched': 1}],
    '$nope': [1],
}
GIVEN = [{'_id': 1, 'a': 1}, {'_id': 2, 'a': [2, {'b': 3}]}, {'_id': 3, 'b': {'a': 'x'}}]


def shapes():
    for name, arguments in SHAPES.items():
        for argument in arguments:
            yield name, GIVEN, [{name: argument}]


def rounds(seed, count):
    for number in range(seed, seed + count):
        generator = Pipelines(random.Random(number))
        docs = [{'_id': place, **generator.object(2)} for place in range(generator.random.randint(0, 6))]
        yield f'seed {number}', docs, generator.pipeline()


def expected(oracle, docs, pipeline):
    oracle.fill(docs)
    reply = oracle.command({'aggregate': 'c', 'pipeline': decode(pipeline), 'cursor': BATCH})
    return fault(reply) or {'docs': encode(reply['cursor']['firstBatch'])}


def agree(pipeline, theirs, ours):
    if 'error' in theirs or 'error' in ours:
        code = lambda answer: answer.get('error', {}).get('code')
        return ENGINES.get(code(theirs), code(theirs)) == ENGINES.get(code(ours), code(ours))
    if set_again(pipeline):
        theirs, ours = unordered(theirs), unordered(ours)
    if len(theirs['docs']) != len(ours['docs']):
        return False
    if pipeline[-1] == {'$sort': {'_id': 1}} or len(theirs['docs']) < 2:
        return same(theirs['docs'], ours['docs'])
    left = list(ours['docs'])
    for doc in theirs['docs']:
        place = next((place for place, other in enumerate(left) if same(doc, other)), None)
        if place is None:
            return False
        left.pop(place)
    return True


def malformed(value):
    """Did MongoDB write MinKey or MaxKey as a document?"""
    if isinstance(value, list):
        return any(map(malformed, value))
    if isinstance(value, dict):
        return value.get('') in ({'$minKey': 1}, {'$maxKey': 1}) or any(map(malformed, value.values()))
    return False


def set_again(pipeline):
    """Is a field set behind a stage that may have removed it?"""
    names = [name for stage in pipeline for name in stage]
    removed = next((place for place, name in enumerate(names) if name in ('$unset', '$project')), len(names))
    return any(name in ('$set', '$addFields') for name in names[removed:])


def unordered(value):
    if isinstance(value, list):
        return [unordered(member) for member in value]
    if isinstance(value, dict):
        return {name: unordered(value[name]) for name in sorted(value)}
    return value


def which_fault(pipeline, theirs, ours):
    """Do the answers differ in which fault came first, or whether one was met, where that depends on what runs first?
    MongoDB's other engine, which runs a leading `$group`, lets a null decide before it looks at the types beside it."""
    computed = sum(json.dumps(stage).count('{"$') > 1 for stage in pipeline)
    return (computed > 1 or '$group' in pipeline[0]) and ('error' in theirs or 'error' in ours)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--mongod', required=True)
    parser.add_argument('--adapter', required=True)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--rounds', type=int, default=1000)
    parser.add_argument('--show', type=int, default=10)
    parser.add_argument('--shapes', action='store_true')
    args = parser.parse_args()
    oracle, adapter = Oracle(args.mongod), Adapter(args.adapter)
    asked = differing = apart = 0
    for name, docs, pipeline in shapes() if args.shapes else rounds(args.seed, args.rounds):
        theirs = expected(oracle, docs, pipeline)
        ours = adapter.answer({'id': name, 'docs': docs, 'op': 'aggregate', 'args': {'pipeline': pipeline}})
        asked += 1
        if agree(pipeline, theirs, ours):
            continue
        if not args.shapes and (malformed(theirs) or which_fault(pipeline, theirs, ours)):
            apart += 1
            continue
        differing += 1
        if differing <= args.show:
            print(name, json.dumps(pipeline, ensure_ascii=False), '\n  docs  ', json.dumps(docs, ensure_ascii=False)[:400],
                  '\n  theirs', json.dumps(theirs, ensure_ascii=False)[:400], '\n  ours  ', json.dumps(ours, ensure_ascii=False)[:400])
    print(f'{asked} asked, {differing} differ, {apart} set apart')
    sys.exit(differing > 0)


if __name__ == '__main__':
    main()
