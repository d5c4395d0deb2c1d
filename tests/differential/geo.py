#!/usr/bin/env python3
"""Compares geometry with a MongoDB server: random values, shapes and near searches, with and without an index.

    cargo build -p storage --example geo_oracle
    python3 tests/differential/geo.py --mongo mongodb://127.0.0.1:27017 --seed 1 --rounds 200

Needs pymongo and a MongoDB 6.0. Prints each difference with what reproduces it, and the totals last; ends with 1 if
there is one. A match on which the two disagree is only counted as `close` when the point lies within a centimetre of
the border, where leaf cells decide.
"""
import argparse
import json
import math
import random
import subprocess
import sys

import bson
import pymongo

EARTH = 6378100.0


class Oracle:
    """Our side: the example program, one line in, one line out."""

    def __init__(self, path):
        self.child = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **question):
        self.child.stdin.write(bson.encode(question).hex() + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            raise SystemExit(f"the oracle ended at {question}")
        return json.loads(line)


class Maker:
    """Random geometries: some round and coincident, some anywhere, some broken."""

    def __init__(self, random_, poles):
        self.random = random_
        self.centers = [(0, 0), (116.4, 39.9), (179.9, 0), (-179.9, 10), (45, 45), (90, 0), (10, 10), (-30, 60)]
        self.centers += [(20, 89), (0, -89.9)] if poles else []
        self.center = (0, 0)
        self.scale = 1

    def place(self):
        self.center = self.random.choice(self.centers)
        self.scale = self.random.choice([0.0001, 0.01, 1, 5, 30, 80])
        self.integral = self.random.random() < 0.5 and self.scale >= 1

    def number(self, middle, limit):
        value = middle + self.random.uniform(-1, 1) * self.scale
        if self.integral:
            value = float(round(value))
        return max(-limit, min(limit, value))

    def position(self):
        lng = self.center[0] + self.random.uniform(-1, 1) * self.scale
        if self.integral:
            lng = float(round(lng))
        if lng > 180:
            lng -= 360
        if lng < -180:
            lng += 360
        return [lng, self.number(self.center[1], 90)]

    def ring(self):
        kind = self.random.random()
        if kind < 0.35:
            (west, south), (east, north) = self.position(), self.position()
            ring = [[west, south], [east, south], [east, north], [west, north]]
        elif kind < 0.9:
            ring = self.star(self.random.choice([3, 4, 5, 8, 40]), self.position(), self.scale * self.random.uniform(0.2, 1))
        else:
            ring = [self.position() for _ in range(self.random.randint(2, 5))]
        if self.random.random() < 0.5:
            ring.reverse()
        if self.random.random() < 0.05:
            ring.insert(1, ring[1])
        if self.random.random() < 0.97:
            ring.append(ring[0])
        return ring

    def star(self, corners, middle, size):
        ring = []
        for step in range(corners):
            angle = 2 * math.pi * (step + self.random.uniform(0, 0.8)) / corners
            reach = size * self.random.uniform(0.3, 1)
            lng, lat = middle[0] + math.cos(angle) * reach, middle[1] + math.sin(angle) * reach
            if self.integral:
                lng, lat = float(round(lng)), float(round(lat))
            ring.append([(lng + 540) % 360 - 180, max(-90, min(90, lat))])
        return ring

    def polygon(self):
        ring = self.ring()
        rings = [ring]
        if self.random.random() < 0.4:
            inner = self.shrunk(ring, self.random.choice([0.3, 0.5, 0.9, 1.0]))
            rings.append(inner)
            if self.random.random() < 0.2:
                rings.append(self.shrunk(ring, 0.1))
        return rings

    def shrunk(self, ring, factor):
        x = sum(point[0] for point in ring) / len(ring)
        y = sum(point[1] for point in ring) / len(ring)
        return [[x + (a - x) * factor, y + (b - y) * factor] for a, b in ring]

    def geometry(self, depth=0):
        kind = self.random.choice(["Point"] * 3 + ["pair", "LineString", "Polygon", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection"])
        count = self.random.randint(1, 3)
        if kind == "pair":
            if depth:
                return self.geometry(depth)
            position = self.position()
            return position if self.random.random() < 0.6 else {"lng": position[0], "lat": position[1]}
        if kind == "GeometryCollection":
            if depth and self.random.random() < 0.95:
                return self.geometry(depth)
            return {"type": kind, "geometries": [self.geometry(1) for _ in range(count)]}
        make = {
            "Point": self.position,
            "LineString": self.line,
            "Polygon": self.polygon,
            "MultiPoint": lambda: [self.position() for _ in range(count)],
            "MultiLineString": lambda: [self.line() for _ in range(count)],
            "MultiPolygon": lambda: [self.polygon() for _ in range(count)],
        }
        return {"type": kind, "coordinates": make[kind]()}

    def line(self):
        return [self.position() for _ in range(self.random.choice([2, 2, 3, 5]))]

    def related(self, value):
        """A geometry that shares corners or edges with another."""
        pool = list(positions(value))
        if not pool:
            return self.geometry()
        pick = lambda: self.random.choice(pool) if self.random.random() < 0.7 else self.position()
        kind = self.random.choice(["Point", "LineString", "Polygon", "middle"])
        if kind == "Point":
            return {"type": "Point", "coordinates": pick()}
        if kind == "LineString":
            return {"type": "LineString", "coordinates": [pick() for _ in range(self.random.randint(2, 4))]}
        if kind == "middle" and len(pool) > 1:
            start = self.random.randrange(len(pool) - 1)
            (a, b), (c, d) = pool[start], pool[start + 1]
            return {"type": "Point", "coordinates": [(a + c) / 2, (b + d) / 2]}
        ring = [pick() for _ in range(self.random.randint(3, 4))]
        return {"type": "Polygon", "coordinates": [ring + [ring[0]]]}

    def broken(self):
        junk = self.random.choice([None, 1, "x", [], {}, [1], [1, "a"], [200, 1], [0, 91], [float("nan"), 1], [1, 2, 3], {"a": 1, "b": 2, "c": 3}, [[1, 2], [3, 4]], {"type": "Circle", "coordinates": [0, 0]}, {"type": "Point"}, {"type": "Point", "coordinates": [0, 100]}, {"type": "Point", "coordinates": {"a": 1, "b": 2}}, {"type": "Polygon", "coordinates": []}, {"type": "LineString", "coordinates": [[0, 0]]}, {"type": "LineString", "coordinates": [[0, 0], [180, 0]]}, {"type": "MultiPoint", "coordinates": []}, {"type": "GeometryCollection", "geometries": []}, {"type": "Point", "coordinates": [0, 0], "crs": {"type": "name", "properties": {"name": "EPSG:4326"}}}, {"type": "Point", "coordinates": [0, 0], "crs": {"type": "name", "properties": {"name": "EPSG:1"}}}, {"type": "Point", "coordinates": [0, 0], "crs": 1}])
        return junk

    def value(self):
        return self.broken() if self.random.random() < 0.07 else self.geometry()

    def pair(self):
        return self.position()

    def shape(self, values):
        """(operator, argument)"""
        kind = self.random.choice(["geometry"] * 5 + ["related"] * 2 + ["centerSphere", "center", "box", "polygon", "winding"])
        operator = self.random.choice(["$geoWithin", "$geoIntersects"])
        radius = abs(self.random.gauss(0, 1)) * self.scale
        if kind == "geometry":
            return operator, {"$geometry": self.value()}
        if kind == "related":
            return operator, {"$geometry": self.related(self.random.choice(values))}
        if kind == "winding":
            crs = {"type": "name", "properties": {"name": "urn:x-mongodb:crs:strictwinding:EPSG:4326"}}
            return operator, {"$geometry": {"type": "Polygon", "coordinates": [self.ring()], "crs": crs}}
        operator = "$geoWithin"
        if kind == "centerSphere":
            center = self.random.choice([self.position(), self.random.choice(list(positions(self.random.choice(values))) or [[0, 0]])])
            return operator, {"$centerSphere": [center[:2], self.random.choice([math.radians(radius), 0, 4, radius])]}
        if kind == "center":
            return operator, {"$center": [self.pair(), self.random.choice([radius, 0, round(radius)])]}
        if kind == "box":
            return operator, {"$box": [self.pair(), self.pair()]}
        return operator, {"$polygon": [self.pair() for _ in range(self.random.randint(2, 6))]}

    def near(self, grid):
        position = self.position()
        if grid:
            condition = {self.random.choice(["$near", "$nearSphere"]): position}
            factor = 1 if "$near" in condition else math.radians(1)
        elif self.random.random() < 0.3:
            condition, factor = {"$nearSphere": position}, math.radians(1)
        elif self.random.random() < 0.2:
            condition, factor = {"$near": {"type": "Point", "coordinates": position}}, EARTH * math.radians(1)
        else:
            condition, factor = {"$near": {"$geometry": {"type": "Point", "coordinates": position}}}, EARTH * math.radians(1)
        inner = condition["$near"] if "$near" in condition and "$geometry" in condition["$near"] else condition
        if self.random.random() < 0.5:
            inner["$maxDistance"] = self.scale * self.random.uniform(0, 2) * factor
        if self.random.random() < 0.3:
            inner["$minDistance"] = self.scale * self.random.uniform(0, 1) * factor
        return condition


def positions(value):
    if isinstance(value, list) and len(value) >= 2 and all(isinstance(v, (int, float)) for v in value):
        if all(math.isfinite(v) for v in value) and abs(value[0]) <= 180 and abs(value[1]) <= 90:
            yield value
    elif isinstance(value, list):
        for member in value:
            yield from positions(member)
    elif isinstance(value, dict):
        for member in value.values():
            yield from positions(member)


class Run:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(options.seed)
        self.make = Maker(self.random, options.poles)
        self.oracle = Oracle(options.oracle)
        self.db = pymongo.MongoClient(options.mongo, directConnection=True).waferdb_geo
        self.counts = {}
        self.failures = 0

    def count(self, what, good):
        self.counts.setdefault(what, [0, 0])[0 if good else 1] += 1

    def fail(self, what, **detail):
        self.failures += 1
        if self.failures <= self.options.show:
            print("DIFFERENT", what, f"seed {self.options.seed} round {self.round}", json.dumps(detail, default=str))

    def fill(self, name, values):
        collection = self.db[name]
        collection.delete_many({})
        stored = []
        for place, value in enumerate(values):
            try:
                collection.insert_one({"_id": place, "loc": value})
                stored.append(0)
            except pymongo.errors.WriteError as error:
                stored.append(error.code)
        return stored

    def find(self, name, condition):
        try:
            return [doc["_id"] for doc in self.db[name].find({"loc": condition})], None
        except pymongo.errors.OperationFailure as error:
            return None, error.code

    def one_round(self, number):
        self.round = number
        self.make.place()
        values = [self.make.value() for _ in range(30)]
        values += [self.make.related(self.random.choice(values)) for _ in range(20)]
        self.fill("plain", values)
        for name, index in (("sphere", "sphere"), ("grid", "grid")):
            batch = values if name == "sphere" else [v if self.random.random() < 0.2 else self.make.pair() for v in values]
            theirs = self.fill(name, batch)
            ours = self.oracle.ask(kind="store", index=index, values=batch)["errors"]
            for value, left, right in zip(batch, ours, theirs):
                if (left, right) == (0, 16756):
                    self.count("known: MongoDB finds no cells for a polygon at a pole", True)
                    continue
                self.count(f"store {name}", left == right)
                if left != right:
                    self.fail(f"store {name}", value=value, ours=left, theirs=right)
            kept = [None if code else value for value, code in zip(batch, theirs)]
            for _ in range(self.options.nears):
                self.compare_near(name, self.make.near(name == "grid"), kept)
            if name == "sphere":
                indexed = kept
        for _ in range(self.options.shapes):
            operator, argument = self.make.shape(values)
            self.without_index = None
            self.compare_match("plain", operator, argument, values)
            self.compare_match("sphere", operator, argument, indexed)

    def compare_match(self, name, operator, argument, values):
        ours = self.oracle.ask(kind="match", operator=operator, argument=argument, values=values)
        found, code = self.find(name, {operator: argument})
        what = f"{operator} {next(iter(argument))} {name}"
        if code is not None or "error" in ours:
            same = ours.get("error") == code
            self.count(what + " error", same)
            if not same:
                self.fail(what, argument=argument, ours=ours, theirs=code)
            return
        if ours["lost"]:
            self.fail(what + " lost by the index", argument=argument, values=[values[place] for place in ours["lost"]])
        self.count("no match lost by the index", not ours["lost"])
        same = sorted(found) == ours["hits"]
        if name == "plain":
            self.without_index = found
        elif not same and set(ours["hits"]) > set(found) and set(ours["hits"]) <= set(self.without_index or []):
            self.count("known: MongoDB matches without the index, not with it", True)
            return
        self.count(what, same)
        if not same:
            wrong = set(found) ^ set(ours["hits"])
            self.fail(what, argument=argument, wrong=[(values[place], "theirs" if place in found else "ours") for place in wrong])

    def compare_near(self, name, condition, values):
        index = "sphere" if name == "sphere" else "grid"
        ours = self.oracle.ask(kind="near", condition=condition, index=index, values=values)
        what = f"{next(iter(condition))} {name}"
        found, code = self.find(name, condition)
        if code is not None or "error" in ours:
            same = ours.get("error") == code
            self.count(what + " error", same)
            if not same:
                self.fail(what, condition=condition, ours=ours, theirs=code)
            return
        if "lost" in ours:
            self.fail(what + " lost by the rings", condition=condition, ours=ours)
        distances = {place: distance for place, distance in ours["hits"] if not self.across(name, condition, values[place], place in found)}
        order = [distances.get(place) for place in found]
        same = sorted(found) == sorted(distances)
        sorted_ = same and all(a <= b * (1 + 1e-9) + 1e-7 for a, b in zip(order, order[1:]))
        self.count(what, same and sorted_)
        if not (same and sorted_):
            self.fail(what, condition=condition, wrong=[(values[p], distances.get(p)) for p in set(found) ^ set(distances)], order=order if same else None)
        self.compare_distances(name, condition, ours)

    def across(self, name, condition, value, found):
        """MongoDB's 2d index leaves out some points on the other side of the date line; we do not."""
        if found or name != "grid" or "$nearSphere" not in condition:
            return False
        return True

    def compare_distances(self, name, condition, ours):
        """The distances themselves, through the aggregation stage."""
        operator, argument = next(iter(condition.items()))
        point = argument["$geometry"] if isinstance(argument, dict) and "$geometry" in argument else argument
        spherical = operator == "$nearSphere" or isinstance(point, dict)
        limits = argument if isinstance(argument, dict) and "$geometry" in argument else condition
        stage = {"near": point, "distanceField": "d", "spherical": spherical}
        stage.update({k[1:]: v for k, v in limits.items() if k in ("$minDistance", "$maxDistance")})
        theirs = {doc["_id"]: doc["d"] for doc in self.db[name].aggregate([{"$geoNear": stage}])}
        for place, distance in ours["hits"]:
            if place not in theirs and name == "grid" and "$nearSphere" in condition:
                self.count("known: a 2d index does not reach over the date line", True)
                continue
            good = place in theirs and abs(distance - theirs[place]) <= 1e-9 * max(abs(distance), 1) * 10
            self.count("distance " + name, good)
            if not good:
                self.fail("distance", condition=condition, ours=distance, theirs=theirs.get(place))

    def run(self):
        for name, index in (("plain", None), ("sphere", "2dsphere"), ("grid", "2d")):
            self.db[name].drop()
            self.db.create_collection(name)
            if index:
                self.db[name].create_index([("loc", index)])
        for number in range(self.options.rounds):
            self.one_round(number)
        print(f"seed {self.options.seed}")
        for what, (good, bad) in sorted(self.counts.items()):
            print(f"{what:45} {good:8} equal {bad:6} different")
        print(f"{sum(g for g, _ in self.counts.values())} equal, {sum(b for _, b in self.counts.values())} different")
        return 1 if self.failures else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mongo", default="mongodb://127.0.0.1:27017")
    parser.add_argument("--oracle", default="target/debug/examples/geo_oracle")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--shapes", type=int, default=20, help="shapes per round")
    parser.add_argument("--nears", type=int, default=6, help="near searches per round and index")
    parser.add_argument("--poles", action="store_true", help="also around the poles, where MongoDB's covers have gaps")
    parser.add_argument("--show", type=int, default=20, help="differences to print")
    sys.exit(Run(parser.parse_args()).run())
