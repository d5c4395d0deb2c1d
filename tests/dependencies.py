#!/usr/bin/env python3
"""Checks Cargo.lock against deny.toml with nothing but cargo: licences, banned crates, duplicate versions, sources.

`--list` prints the licence of every crate instead. Advisories are not checked here: their database is a repository of
its own that no package registry carries; where it can be reached, `cargo deny check advisories` reads it.
"""
import collections
import json
import re
import subprocess
import sys
import tomllib


def main():
    with open("deny.toml", "rb") as file:
        policy = tomllib.load(file)
    crates = crates_in_the_build(policy["graph"]["targets"])
    if "--list" in sys.argv:
        for crate in crates:
            print(f"{crate['name']} {crate['version']}: {crate['license']}")
        return
    faults = [
        *licence_faults(crates, set(policy["licenses"]["allow"])),
        *ban_faults(crates, policy["bans"]),
        *duplicate_faults(crates, {entry["crate"] for entry in policy["bans"]["skip"]}),
        *source_faults(crates),
    ]
    for fault in faults:
        print(fault)
    print(f"{len(crates)} crates: {len(faults)} faults (advisories not checked: their database is not on a registry)")
    sys.exit(1 if faults else 0)


def crates_in_the_build(targets):
    """Packages of the normal and build graph, without development dependencies."""
    found = {}
    for target in targets:
        command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
        metadata = json.loads(subprocess.check_output(command))
        packages = {package["id"]: package for package in metadata["packages"]}
        nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
        waiting = list(metadata["workspace_members"])
        while waiting:
            package = waiting.pop()
            if package in found:
                continue
            found[package] = packages[package]
            for dependency in nodes[package]["deps"]:
                if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                    waiting.append(dependency["pkg"])
    return sorted(found.values(), key=lambda crate: (crate["name"], crate["version"]))


def licence_faults(crates, allowed):
    for crate in crates:
        expression = crate["license"]
        if not expression or not satisfied(expression, allowed):
            yield f"{crate['name']} {crate['version']}: licence {expression!r} is not in deny.toml's list"


def satisfied(expression, allowed):
    """Evaluates an SPDX expression: `A OR B` needs one side, `A AND B` both; `/` is the old spelling of OR."""
    spaced = re.sub(r"([()])", r" \1 ", expression.replace("/", " OR "))
    tokens = re.sub(r" WITH ", "~WITH~", spaced).split()

    def alternatives():
        value = terms()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            value = terms() or value
        return value

    def terms():
        value = name()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            value = name() and value
        return value

    def name():
        token = tokens.pop(0)
        if token != "(":
            return token.replace("~", " ") in allowed
        value = alternatives()
        tokens.pop(0)
        return value

    return alternatives()


def ban_faults(crates, bans):
    reasons = {entry["crate"]: entry["reason"] for entry in bans["deny"]}
    return [f"{crate['name']}: banned, {reasons[crate['name']]}" for crate in crates if crate["name"] in reasons]


def duplicate_faults(crates, known):
    versions = collections.defaultdict(set)
    for crate in crates:
        versions[crate["name"]].add(crate["version"])
    twins = {name for name, held in versions.items() if len(held) > 1}
    for name in sorted(twins - known):
        yield f"{name}: {' and '.join(sorted(versions[name]))} are both built; align them, or give the reason in deny.toml"
    for name in sorted(known - twins):
        yield f"{name}: deny.toml excuses a duplicate that is gone; take the line out"


def source_faults(crates):
    for crate in crates:
        if not (crate["source"] or "registry+").startswith("registry+"):
            yield f"{crate['name']}: comes from {crate['source']}; only a crate registry and this workspace are allowed"


main()
