/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_BENCH_BENCH_DRACO_H
#define TESTS_BENCH_BENCH_DRACO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CPU seconds of Draco's own encoding, and of nothing else: the mesh is built
 * and its equal values merged by Draco before the clock starts. */
double bench_draco_bare(const float *positions, const float *normals, const uint32_t *rows,
                        const uint32_t *indices, uint32_t index_count, size_t *out_bytes);

#ifdef __cplusplus
}
#endif

#endif
