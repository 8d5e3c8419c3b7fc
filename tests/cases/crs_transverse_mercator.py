#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the transverse Mercator rows of crs_points.txt by a method that shares
nothing with PROJ's (Krueger's series): the projection is the analytic function
that takes isometric latitude plus i longitude to meridian arc plus i easting, so
the complex latitude is found by Newton's method and the arc integrated along a
straight line in the complex plane, with 40 digits.

    python3 tests/cases/crs_transverse_mercator.py   (needs mpmath)
"""
from mpmath import atanh, diff, mp, mpc, mpf, pi, quad, radians, sin, sqrt

mp.dps = 40
GRS80 = (mpf(6378137), 1 / mpf("298.257222101"))
WGS84 = (mpf(6378137), 1 / mpf("298.257223563"))


def project(ellipsoid, meridian, scale, false_easting, false_northing, longitude, latitude):
    a, f = ellipsoid
    e2 = f * (2 - f)
    e = sqrt(e2)
    isometric = lambda p: atanh(sin(p)) - e * atanh(e * sin(p))
    target = isometric(radians(latitude)) + mpc(0, 1) * radians(longitude - meridian)
    p = mpc(radians(latitude), 0)
    for _ in range(60):
        slope = (1 - e2) / ((1 - e2 * sin(p) ** 2) * mp.cos(p))
        step = (isometric(p) - target) / slope
        p -= step
        if abs(step) < mpf(10) ** -36:
            break
    arc = quad(lambda t: p * (1 - e2) * a / (1 - e2 * sin(p * t) ** 2) ** mpf(1.5), [0, 1])
    return false_easting + scale * arc.imag, false_northing + scale * arc.real


def row(definition, ellipsoid, meridian, scale, east, north, longitude, latitude):
    x, y = project(ellipsoid, mpf(meridian), mpf(scale), mpf(east), mpf(north), mpf(longitude),
                   mpf(latitude))
    print(f"{definition} ; ellipsoid ; {mp.nstr(x, 17)} ; {mp.nstr(y, 17)} ; 10 ; {longitude} ; "
          f"{latitude} ; 10 ; 1e-6 ; 1e-6 ; complex meridian arc, mpmath")


row("EPSG:4547", GRS80, 114, 1, 500000, 0, "114.05783", "22.54286")
row("EPSG:4547", GRS80, 114, 1, 500000, 0, "112.6", "44.9")
row("EPSG:4547", GRS80, 114, 1, 500000, 0, "116.9", "23.1")
row("EPSG:4526", GRS80, 114, 1, 38500000, 0, "114.05783", "22.54286")
row("EPSG:4549", GRS80, 120, 1, 500000, 0, "121.4737", "31.2304")
row("EPSG:4509", GRS80, 117, 1, 500000, 0, "116.3913", "39.9075")
row("cgcs2000:118d50", GRS80, mpf(118) + mpf(50) / 60, 1, 500000, 0, "118.79688", "32.06025")
row("cgcs2000:118.8333,39", GRS80, "118.8333", 1, 39500000, 0, "118.79688", "32.06025")
row("EPSG:32734", WGS84, 21, "0.9996", 500000, 10000000, "18.4241", "-33.9249")
row("EPSG:32650", WGS84, 117, "0.9996", 500000, 0, "114.1694", "22.3193")
row("EPSG:25832", GRS80, 9, "0.9996", 500000, 0, "11.4220", "48.7665")
row("EPSG:25833", GRS80, 15, "0.9996", 500000, 0, "13.4050", "52.5200")
