#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/cases/cityjson_counts.txt from the real files, with Python's json
module and nothing of ours:

    python3 tests/cases/cityjson_counts.py ../shared/data FILE... > tests/cases/cityjson_counts.txt
"""
import json
import re
import sys

DEPTH = {"MultiSurface": 0, "CompositeSurface": 0, "Solid": 1, "MultiSolid": 2, "CompositeSolid": 2}


class Lost(Exception):
    pass


def surfaces(boundaries, depth):
    if depth == 0:
        return list(boundaries)
    return [s for b in boundaries for s in surfaces(b, depth - 1)]


def values(value, boundaries, depth):
    """Values flattened beside their surfaces; None where there is none."""
    if not isinstance(value, list):
        return [None] * len(surfaces(boundaries, depth))
    if depth == 0:
        return (value + [None] * len(boundaries))[: len(boundaries)]
    out = []
    for i, b in enumerate(boundaries):
        out += values(value[i] if i < len(value) else None, b, depth - 1)
    return out


def clean(points):
    """Points without exact repetitions of the one before, first and last too."""
    out = []
    for p in points:
        if not out or out[-1][1] != p[1]:
            out.append(p)
    while len(out) > 1 and out[0][1] == out[-1][1]:
        out.pop()
    return out


def theme(entry, default):
    if not isinstance(entry, dict) or not entry:
        return None
    return entry.get(default) or next(iter(entry.values()))


class File:
    def __init__(self):
        self.features = self.lost = self.children = self.attributes = 0
        self.lods = self.polygons = self.corners = self.vertices = 0
        self.roofs = self.textured = self.material = 0
        self.sum = [0.0, 0.0, 0.0]

    def geometry(self, doc, header, g, pool, place, used):
        """Polygons, corners of one geometry; None when nothing is drawn."""
        if g["type"] not in DEPTH:
            return None
        depth = DEPTH[g["type"]]
        flat = surfaces(g["boundaries"], depth)
        sem = g.get("semantics") or {}
        kinds = [s.get("type") for s in sem.get("surfaces", [])]
        sems = values(sem.get("values"), g["boundaries"], depth)
        app = doc.get("appearance") or header.get("appearance") or {}
        tex = theme(g.get("texture"), app.get("default-theme-texture"))
        texs = values(tex["values"] if tex else None, g["boundaries"], depth)
        mat = theme(g.get("material"), app.get("default-theme-material"))
        if mat and "value" in mat:
            mats = [mat["value"]] * len(flat)
        else:
            mats = values(mat["values"] if mat else None, g["boundaries"], depth)
        drawn = 0
        for surface, s, t, m in zip(flat, sems, texs, mats):
            rings = []
            for ring in surface:
                for i in ring:
                    if not 0 <= i < len(pool):
                        raise Lost()
                    used.add(i)
                rings.append(clean([(i, place(pool[i])) for i in ring]))
            if not surface or len(rings[0]) < 3:
                continue
            rings = [r for r in rings if len(r) >= 3]
            drawn += 1
            self.polygons += 1
            for r in rings:
                self.corners += len(r)
                for _, p in r:
                    for k in range(3):
                        self.sum[k] += p[k]
            if isinstance(s, int) and 0 <= s < len(kinds) and kinds[s] == "RoofSurface":
                self.roofs += 1
            if isinstance(m, int) and 0 <= m < len(app.get("materials", [])):
                self.material += 1
            if isinstance(t, list) and len(t) == len(surface) and len({r[0] for r in t}) == 1:
                uvs = len(app.get("vertices-texture", []))
                if (
                    all(isinstance(i, int) for r in t for i in r)
                    and 0 <= t[0][0] < len(app.get("textures", []))
                    and all(len(r) == len(ring) + 1 for r, ring in zip(t, surface))
                    and all(0 <= i < uvs for r in t for i in r[1:])
                ):
                    self.textured += 1
        return drawn

    def object(self, doc, header, o):
        transform = doc.get("transform") or header.get("transform")

        def place(v):
            if not transform:
                return tuple(float(c) for c in v)
            return tuple(v[k] * transform["scale"][k] + transform["translate"][k] for k in range(3))

        levels = {}
        for g in o.get("geometry") or []:
            used = set()
            if g["type"] == "GeometryInstance":
                templates = doc.get("geometry-templates") or header.get("geometry-templates")
                if g["boundaries"][0] >= len(doc["vertices"]):
                    raise Lost()
                origin = place(doc["vertices"][g["boundaries"][0]])
                m = g["transformationMatrix"]

                def turn(v):
                    return tuple(
                        m[4 * k] * v[0] + m[4 * k + 1] * v[1] + m[4 * k + 2] * v[2] + m[4 * k + 3]
                        + origin[k] for k in range(3))

                # Distinct numbers of the template are vertices of this instance.
                t = templates["templates"][g["template"]]
                n = self.geometry(header if templates is header.get("geometry-templates") else doc,
                                  header, t, templates["vertices-templates"], turn, used)
                self.vertices += len(used)
                level = t.get("lod")
            else:
                seen = levels.setdefault("used", set())
                n = self.geometry(doc, header, g, doc["vertices"], place, seen)
                level = g.get("lod")
            if n:
                levels.setdefault("lods", set()).add(float(level))
        self.vertices += len(levels.get("used", ()))
        self.lods += len(levels.get("lods", ()))

    def document(self, doc, header):
        objects = doc["CityObjects"]
        for o in objects.values():
            before = dict(self.__dict__, sum=list(self.sum))
            try:
                self.features += 1
                self.attributes += len(o.get("attributes") or {})
                if "address" in o and "address" not in (o.get("attributes") or {}):
                    self.attributes += 1
                parents = [p for p in o.get("parents", [])
                           if p in objects and objects[p]["type"] != "CityObjectGroup"]
                self.children += bool(parents)
                self.object(doc, header, o)
            except Lost:
                self.__dict__.update(before)
                self.lost += 1

    def read(self, path):
        text = open(path, encoding="utf-8").read()
        lines = [l for l in text.split("\n") if l.strip()]
        try:
            docs = [json.loads(text)]
        except ValueError:
            docs = [json.loads(l) for l in lines]
        for doc in docs:
            if doc.get("type") not in ("CityJSON", "CityJSONFeature"):
                self.lost += 1
            else:
                self.document(doc, docs[0])


def main():
    root, names = sys.argv[1], sys.argv[2:]
    print("# Counts of real files under shared/data, made by tests/cases/cityjson_counts.py with")
    print("# Python's json module, independently of the reader. A polygon counts when its outer ring")
    print("# has three points left once exact repetitions are gone. Sums are of all corners' x, y, z.")
    print("# file|features|lost|children|attributes|lods|polygons|corners|vertices|roofs|textured|"
          "with material|sum x|sum y|sum z")
    for name in names:
        f = File()
        f.read(f"{root}/{name}")
        print("|".join([name] + [str(x) for x in (
            f.features, f.lost, f.children, f.attributes, f.lods, f.polygons, f.corners,
            f.vertices, f.roofs, f.textured, f.material)] + [f"{s:.6f}" for s in f.sum]))


main()
