/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/features.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return read_features(data, size, "fuzz.gml");
}
