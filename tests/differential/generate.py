"""Random documents, filters, updates and sort orders, small enough to meet each other often.

Everything is extended JSON (canonical where plain JSON would be ambiguous), as the specification data has it.
"""

NAMES = ['a', 'b', 'c', '0', '1']
TEXTS = ['', 'a', 'ab', 'A', 'b', 'é', '中文', 'a.b', '$a', '10', '9']
TYPE_NAMES = {'$oid', '$numberInt', '$numberLong', '$numberDouble', '$numberDecimal', '$date', '$binary', '$timestamp',
              '$regularExpression', '$minKey', '$maxKey'}
ARRAY_OPERATORS = {'$push', '$addToSet', '$pop', '$pull', '$pullAll'}
NUMBER_OPERATORS = {'$inc', '$mul', '$bit'}
PATTERNS = ['a', '^a', 'b$', '^$', '[ab]', 'a.b', '^ab', '中', '(a|b)+', 'a?b', '\\d+', '\\w', '^.{2}$', 'A']


class Generator:
    """Makes values from a random source; `depth` bounds nesting."""

    def __init__(self, random):
        self.random = random

    def pick(self, *choices):
        return self.random.choice(choices)

    def chance(self, share):
        return self.random.random() < share

    def number(self):
        r = self.random
        return self.pick(
            lambda: r.randint(-2, 4), lambda: r.randint(-2, 4), lambda: r.randint(-2, 4),
            lambda: {'$numberLong': str(r.choice([0, 1, 2, -1, 2**31, 2**53 + 1, 2**63 - 1, -2**63]))},
            lambda: {'$numberDouble': r.choice(['1.0', '2.0', '1.5', '-0.0', '0.1', '-1.0', 'NaN', 'Infinity', '-Infinity', '9007199254740992.0', '1e300', '4.5', '-4.5'])},
            lambda: {'$numberDecimal': r.choice(['1', '1.0', '0.1', '2.50', 'NaN', '-0', 'Infinity', '1E+3', '9007199254740993'])})()

    def scalar(self):
        r = self.random
        if self.chance(0.45):
            return self.number()
        if self.chance(0.4):
            return r.choice(TEXTS)
        return r.choice([
            None, None, None, True, False, {'$date': {'$numberLong': str(r.choice([0, 1000, -5]))}},
            {'$oid': '0' * 23 + str(r.randint(0, 2))}, {'$timestamp': {'t': r.randint(1, 2), 'i': 1}},
            {'$binary': {'base64': r.choice(['', 'AQ==', 'AQI=', '/w==']), 'subType': '00'}},
            {'$regularExpression': {'pattern': r.choice(PATTERNS), 'options': r.choice(['', 'i'])}},
            {'$minKey': 1}, {'$maxKey': 1}])

    def value(self, depth=3):
        roll = self.random.random()
        if depth > 0 and roll < 0.22:
            return [self.value(depth - 1) for _ in range(self.random.randint(0, 4))]
        if depth > 0 and roll < 0.42:
            return self.object(depth - 1)
        return self.scalar()

    def object(self, depth=2):
        names = self.random.sample(NAMES, self.random.randint(0, 3))
        return {name: self.value(depth) for name in names}

    def document(self):
        names = self.random.sample(NAMES[:3], self.random.randint(1, 3))
        return {name: self.value(3) for name in names}

    def documents(self, count):
        return [{'_id': place, **self.document()} for place in range(count)]

    def path(self):
        head = self.random.choice(NAMES[:3])
        rest = [self.random.choice(NAMES) for _ in range(self.random.choice([0, 0, 0, 1, 1, 2]))]
        return '.'.join([head] + rest)

    # --- filters

    def operand(self):
        value = self.value(2)
        is_regex = isinstance(value, dict) and '$regularExpression' in value
        return self.number() if is_regex else value

    def field_operators(self, depth):
        names = self.random.sample(list(self.operators()), self.random.choice([1, 1, 1, 2]))
        operators = {}
        for name in names:
            operators.update(self.operators()[name](depth))
        return operators

    def operators(self):
        r = self.random
        return {
            '$eq': lambda d: {'$eq': self.value(2)}, '$ne': lambda d: {'$ne': self.operand()},
            '$gt': lambda d: {'$gt': self.operand()}, '$gte': lambda d: {'$gte': self.operand()},
            '$lt': lambda d: {'$lt': self.operand()}, '$lte': lambda d: {'$lte': self.operand()},
            '$in': lambda d: {'$in': [self.value(2) for _ in range(r.randint(0, 3))]},
            '$nin': lambda d: {'$nin': [self.value(2) for _ in range(r.randint(0, 3))]},
            '$exists': lambda d: {'$exists': r.choice([True, False, 1, 0])},
            '$type': lambda d: {'$type': r.choice(['int', 'double', 'number', 'string', 'array', 'object', 'null', 'bool', 2, 16, ['int', 'array'], 'decimal', 'long', -1])},
            '$mod': lambda d: {'$mod': [r.choice([1, 2, 3, -2, {'$numberDouble': '2.5'}]), r.choice([0, 1, -1, {'$numberDouble': '1.5'}])]},
            '$regex': lambda d: {'$regex': r.choice(PATTERNS), '$options': r.choice(['', 'i', 'm', 's', 'im'])},
            '$size': lambda d: {'$size': r.randint(0, 3)},
            '$all': lambda d: {'$all': self.all_members(d)},
            '$elemMatch': lambda d: {'$elemMatch': self.element(d)},
            '$not': lambda d: {'$not': self.field_operators(d - 1) if d > 0 else {'$gt': self.number()}},
            '$bitsAllSet': lambda d: {'$bitsAllSet': self.bits()}, '$bitsAnySet': lambda d: {'$bitsAnySet': self.bits()},
            '$bitsAllClear': lambda d: {'$bitsAllClear': self.bits()}, '$bitsAnyClear': lambda d: {'$bitsAnyClear': self.bits()},
        }

    def all_members(self, depth):
        if self.chance(0.3):
            return [{'$elemMatch': self.element(depth)} for _ in range(self.random.randint(1, 2))]
        return [self.value(2) for _ in range(self.random.randint(0, 3))]

    def element(self, depth):
        return self.field_operators(depth - 1) if self.chance(0.5) and depth > 0 else self.filter(depth - 1)

    def bits(self):
        return self.random.choice([0, 1, 2, 5, [0], [1, 3], [70], {'$binary': {'base64': 'AQ==', 'subType': '00'}}])

    def filter(self, depth=2):
        if depth > 0 and self.chance(0.2):
            members = [self.filter(depth - 1) for _ in range(self.random.randint(1, 3))]
            return {self.random.choice(['$and', '$or', '$nor']): members}
        return {self.path(): self.condition(depth) for _ in range(self.random.choice([1, 1, 2]))}

    def condition(self, depth):
        return self.value(2) if self.chance(0.3) else self.field_operators(depth)

    # --- patterns

    def pattern(self, depth=2):
        """A regular expression in PCRE's syntax, without what needs backtracking."""
        parts = [self.piece(depth) for _ in range(self.random.choice([1, 2, 2, 3, 4]))]
        return '|'.join(''.join(part for part in parts[place::2]) for place in range(2 if self.chance(0.15) else 1))

    def piece(self, depth):
        r = self.random
        roll = r.random()
        if depth > 0 and roll < 0.25:
            opening = r.choice(['(', '(', '(?:', '(?i)(', '(?i:', '(?<n>', '(?s:', '(?=', '(?!', '(?<=', '(?<!', '(?m:', '(?x: ', '(?-i:'])
            inner = r.choice(['a', 'b', 'ab', '.', '[ab]']) if '<=' in opening or '<!' in opening else self.pattern(depth - 1)
            group = opening + inner + ')'
            return group + (r.choice(['', '*', '?', '+']) if opening[:3] not in ('(?=', '(?!', '(?<') else '')
        atom = r.choice(['a', 'b', 'A', 'é', '.', '^', '$', '\\b', '\\B', '\\d', '\\D', '\\w', '\\W', '\\s', '\\S', '\\h', '\\N', '[ab]', '[^a]', '[a-c]',
                         '[\\d_]', '[^\\w]', '[[:alpha:]]', '[]a]', '[a-]', '[.&&b]', '\\.', '\\x61', '\\x{e9}', '\\n', '1', '}', '\\Qa.\\E', '\\p{L}',
                         '\\A', '\\z', '\\Z', '中', 'ß', '-', '"', '\\/', '\\-', '~', 'a{2}', 'b{1,2}', 'a{,2}', '\\t'])
        if atom[-1] == '}' and atom[0] in 'ab' or atom in ('^', '$', '\\b', '\\B', '\\A', '\\z', '\\Z'):
            return atom
        return atom + r.choice(['', '', '', '*', '+', '?', '*?', '{2}', '{1,}'])

    def text(self):
        return ''.join(self.random.choice(['a', 'b', 'A', 'B', 'é', 'É', '1', '_', ' ', '\n', '.', '中', 'ß', '-', '{', 'a', 'b']) for _ in range(self.random.randint(0, 6)))

    # --- updates

    def update(self, doc=None):
        """An update; most of its paths lead somewhere in `doc`, where one is given."""
        names = self.random.sample(list(self.updates()), self.random.choice([1, 1, 1, 2]))
        update = {}
        for name in names:
            kind = 'array' if name in ARRAY_OPERATORS else 'number' if name in NUMBER_OPERATORS else None
            paths = {self.update_path(doc, kind): None for _ in range(self.random.choice([1, 1, 2]))}
            update[name] = {path: self.updates()[name]() for path in paths}
        return update

    def way(self, doc, kind):
        """A path to a value of a kind in the document, if there is one."""
        ways = []

        def walk(value, path):
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            is_number |= isinstance(value, dict) and any(name.startswith('$number') for name in value)
            if path and (kind is None or kind == 'array' and isinstance(value, list) or kind == 'number' and is_number):
                ways.append('.'.join(path))
            if isinstance(value, list):
                for place, member in enumerate(value):
                    walk(member, path + [str(place)])
            if isinstance(value, dict) and not any(name.startswith('$') for name in value):
                for name, member in value.items():
                    if name != '_id':
                        walk(member, path + [name])

        walk(doc, [])
        return self.random.choice(ways) if ways else None

    def update_path(self, doc=None, kind=None):
        if doc and self.chance(0.75):
            path = self.way(doc, kind)
            if path and self.chance(0.25):
                array = self.way(doc, 'array')
                path = array + self.random.choice(['.$[]', '.$[e]', '.$']) if array else path
            if path:
                return path if self.chance(0.8) else path + '.' + self.random.choice(NAMES + ['5'])
        path = self.path()
        roll = self.random.random()
        if roll < 0.1:
            return path + '.$'
        if roll < 0.15:
            return path + '.$.' + self.random.choice(NAMES)
        if roll < 0.22:
            return path + '.$[]'
        if roll < 0.27:
            return path + '.$[].' + self.random.choice(NAMES)
        if roll < 0.33:
            return path + '.$[e]'
        if roll < 0.37:
            return path + '.$[e].' + self.random.choice(NAMES)
        return path

    def updates(self):
        r = self.random
        whole = lambda: r.choice([0, 1, 2, 3, -1, -2, 10])
        return {
            '$set': lambda: self.value(2), '$setOnInsert': lambda: self.value(2), '$unset': lambda: '',
            '$inc': self.number, '$mul': self.number, '$min': lambda: self.value(2), '$max': lambda: self.value(2),
            '$rename': self.path,
            '$bit': lambda: {r.choice(['and', 'or', 'xor']): r.choice([1, 6, {'$numberLong': '5'}])},
            '$push': lambda: self.push(whole), '$addToSet': self.add_to_set,
            '$pop': lambda: r.choice([1, -1]),
            '$pull': lambda: self.condition(1) if self.chance(0.7) else self.filter(1),
            '$pullAll': lambda: [self.value(2) for _ in range(r.randint(0, 3))],
        }

    def push(self, whole):
        if self.chance(0.3):
            return self.value(2)
        push = {'$each': [self.value(2) for _ in range(self.random.randint(0, 3))]}
        if self.chance(0.4):
            push['$position'] = whole()
        if self.chance(0.4):
            push['$sort'] = self.random.choice([1, -1, {'a': 1}, {'a': -1, 'b': 1}, {'a.b': 1}, {'a.0': -1}])
        if self.chance(0.4):
            push['$slice'] = whole()
        return push

    def add_to_set(self):
        if self.chance(0.5):
            return self.value(2)
        return {'$each': [self.value(2) for _ in range(self.random.randint(0, 4))]}

    def array_filters(self, update):
        if not any('$[e]' in path for paths in update.values() for path in paths):
            return []
        path = self.random.choice(['e', 'e', 'e.a', 'e.b.c'])
        return [{path: self.condition(1)}]

    # --- mistakes

    def mistaken(self, value):
        """The value with one part of it replaced by something that may not stand there."""
        if isinstance(value, dict) and any(name in TYPE_NAMES for name in value):
            return self.value(1)
        if isinstance(value, dict) and value and self.chance(0.7):
            name = self.random.choice(list(value))
            if self.chance(0.25):
                renamed = self.random.choice(['$foo', '$in', '$gt', '', 'a.', '$', 'a..b', '$each', '$set', '$[]', 'a.$[', '_id', '$or'])
                return {renamed if other == name else other: member for other, member in value.items()}
            return {other: self.mistaken(member) if other == name else member for other, member in value.items()}
        if isinstance(value, list) and value and self.chance(0.7):
            place = self.random.randrange(len(value))
            return [self.mistaken(member) if other == place else member for other, member in enumerate(value)]
        return self.value(1)

    def sort(self):
        paths = {self.path() for _ in range(self.random.choice([1, 1, 2, 3]))}
        return {**{path: self.random.choice([1, -1]) for path in sorted(paths)}, '_id': 1}
