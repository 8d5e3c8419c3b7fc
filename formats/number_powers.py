#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes formats/number_powers.h: python3 formats/number_powers.py > formats/number_powers.h

128 bits of 5^q for q = -342 .. 308, the first bit set: rounded down for q >= 0,
up below (D. Lemire, "Number parsing at a gigabyte per second", section 5).
"""

MIN, MAX = -342, 308


def bits(q):
    if q >= 0:
        value = 5**q
        while value < 1 << 127:
            value *= 2
        while value >= 1 << 128:
            value //= 2
        return value
    power = 5**-q
    z = power.bit_length() if power & (power - 1) else power.bit_length() - 1
    value = (1 << (z + 127 if q >= -27 else 2 * z + 128)) // power + 1
    while value >= 1 << 128:
        value //= 2
    return value


print("/* SPDX-License-Identifier: Apache-2.0 */")
print("/* Made by formats/number_powers.py; included by formats/number.c alone. */")
print("#ifndef FORMATS_NUMBER_POWERS_H\n#define FORMATS_NUMBER_POWERS_H\n")
print("#include <stdint.h>\n")
print(f"enum {{ POWER_MIN = {MIN}, POWER_MAX = {MAX} }};\n")
print("/* clang-format off */")
print("static const uint64_t power_bits[POWER_MAX - POWER_MIN + 1][2] = {")
for q in range(MIN, MAX + 1):
    v = bits(q)
    print(f"    {{0x{v >> 64:016x}U, 0x{v & (1 << 64) - 1:016x}U}}, /* {q} */")
print("};\n/* clang-format on */\n\n#endif")
