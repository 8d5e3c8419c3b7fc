/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/bench_draco.h"

#include <cstdlib>
#include <ctime>

#include <draco/compression/expert_encode.h>
#include <draco/mesh/triangle_soup_mesh_builder.h>

static double cpu_s()
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

extern "C" double bench_draco_bare(const float *positions, const float *normals,
                                   const uint32_t *rows, const uint32_t *indices,
                                   uint32_t index_count, size_t *out_bytes)
{
    using draco::GeometryAttribute;
    draco::TriangleSoupMeshBuilder builder;
    builder.Start(static_cast<int>(index_count / 3));
    const int position = builder.AddAttribute(GeometryAttribute::POSITION, 3, draco::DT_FLOAT32);
    const int normal = builder.AddAttribute(GeometryAttribute::NORMAL, 3, draco::DT_FLOAT32);
    const int row = builder.AddAttribute(GeometryAttribute::GENERIC, 1, draco::DT_UINT16);
    for (uint32_t i = 0; i < index_count; i += 3) {
        const draco::FaceIndex face(i / 3);
        const uint32_t *v = indices + i;
        uint16_t r[3];
        for (int k = 0; k < 3; k++) {
            r[k] = static_cast<uint16_t>(rows[v[k]]);
        }
        builder.SetAttributeValuesForFace(position, face, positions + 3 * size_t{v[0]},
                                          positions + 3 * size_t{v[1]},
                                          positions + 3 * size_t{v[2]});
        builder.SetAttributeValuesForFace(normal, face, normals + 3 * size_t{v[0]},
                                          normals + 3 * size_t{v[1]}, normals + 3 * size_t{v[2]});
        builder.SetAttributeValuesForFace(row, face, &r[0], &r[1], &r[2]);
    }
    const std::unique_ptr<draco::Mesh> built = builder.Finalize(); /* merges */
    draco::ExpertEncoder encoder(*built);
    encoder.SetEncodingMethod(draco::MESH_EDGEBREAKER_ENCODING);
    encoder.SetSpeedOptions(5, 5);
    encoder.SetAttributeQuantization(position, 17); /* 1 km at 1/128 m */
    encoder.SetAttributeQuantization(normal, 8);
    draco::EncoderBuffer encoded;
    const double start = cpu_s();
    if (!encoder.EncodeToBuffer(&encoded).ok()) {
        abort();
    }
    const double seconds = cpu_s() - start;
    *out_bytes = encoded.size();
    return seconds;
}
