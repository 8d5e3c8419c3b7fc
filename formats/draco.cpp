/* SPDX-License-Identifier: Apache-2.0 */
/* In C++ the function arena_mark() hides the struct's constructor, as it should. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "formats/draco.h"
#pragma GCC diagnostic pop

#include <cassert>
#include <cmath>
#include <cstring>
#include <memory>

#include <draco/compression/decode.h>
#include <draco/compression/expert_encode.h>
#include <draco/mesh/mesh.h>

#include "formats/base/seam.hpp"

namespace
{

/*
 * Encoding and decoding speed of Draco, 0 slow to 10 fast. Measured on LoD2
 * tiles: 6 and above drop the good attribute prediction (+27 % bytes); 4 is as
 * fast as 5 for 2 % fewer, as it looks at the valence of corners; 3 guesses a
 * normal from the positions around it. For blocks far away, whose normals have
 * few bits, that is another 4 % for a tenth of the time; at full detail it is
 * 5 % fewer or 5 % more, as the source may be. 1 takes twice as long for 5 %.
 */
constexpr int usual_speed = 4;
constexpr int small_speed = 3;

constexpr uint32_t none = UINT32_MAX;

/* Arrays of trivial types in a C arena; out of memory is an exception here,
 * turned back into an error by the seam. */
struct arena_failure : std::exception {
};

template <typename T> T *make(struct arena *arena, size_t count)
{
    void *found = arena_alloc(arena, count, sizeof(T), alignof(T));
    if (found == nullptr) {
        throw arena_failure();
    }
    return static_cast<T *>(found);
}

uint32_t hash_words(const uint32_t *words, size_t count)
{
    uint64_t hash = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ words[i]) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    return static_cast<uint32_t>(hash);
}

/* Distinct records of `words` 32-bit words each. */
struct weld {
    uint32_t *value_of; /* of each record, the index of its value */
    uint32_t *first;    /* of each value, the first record that has it */
    uint32_t value_count;
};

/* Values are numbered in order of first appearance, so that neither addresses
 * nor the order of the hash table reach the output. */
template <size_t words>
struct weld weld_records(const uint32_t *records, uint32_t count, struct arena *scratch)
{
    size_t slots = 16;
    while (slots < 2 * static_cast<size_t>(count)) {
        slots *= 2;
    }
    struct weld found = {};
    found.value_of = make<uint32_t>(scratch, count);
    found.first = make<uint32_t>(scratch, count);
    const struct arena_mark mark = arena_mark(scratch);
    uint32_t *table = make<uint32_t>(scratch, slots); /* value + 1, or 0 */
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t *record = records + words * i;
        size_t slot = hash_words(record, words) & (slots - 1);
        while (table[slot] != 0 &&
               memcmp(records + words * found.first[table[slot] - 1], record, 4 * words) != 0) {
            slot = (slot + 1) & (slots - 1);
        }
        if (table[slot] == 0) {
            found.first[found.value_count] = i;
            table[slot] = ++found.value_count;
        }
        found.value_of[i] = table[slot] - 1;
    }
    arena_reset(scratch, mark);
    return found;
}

/* One stream of the mesh as records of whole words, for the used vertices. */
template <size_t words>
uint32_t *gather(const void *stream, const uint32_t *used, uint32_t count, struct arena *scratch)
{
    uint32_t *records = make<uint32_t>(scratch, words * static_cast<size_t>(count));
    const uint8_t *bytes = static_cast<const uint8_t *>(stream);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(records + words * i, bytes + 4 * words * used[i], 4 * words);
    }
    return records;
}

/* The triangles that are left, and the vertices they use, both renumbered. */
struct used_part {
    uint32_t *vertices; /* index into the caller's mesh */
    uint32_t vertex_count;
    uint32_t *indices; /* into `vertices` */
    uint32_t index_count;
};

/* Draco counts triangles with two corners at one place, then drops them; here
 * they are dropped before anything counts. */
struct used_part find_used(const struct draco_mesh *mesh, struct arena *scratch)
{
    struct used_part used = {};
    used.vertices = make<uint32_t>(scratch, mesh->vertex_count);
    used.indices = make<uint32_t>(scratch, mesh->index_count);
    uint32_t *new_of = make<uint32_t>(scratch, mesh->vertex_count);
    memset(new_of, 0xff, sizeof *new_of * mesh->vertex_count);
    const float *positions = mesh->positions;
    const auto is_same = [positions](uint32_t a, uint32_t b) {
        return memcmp(positions + 3 * size_t{a}, positions + 3 * size_t{b}, 12) == 0;
    };
    for (uint32_t i = 0; i < mesh->index_count; i += 3) {
        const uint32_t *corner = mesh->indices + i;
        if (is_same(corner[0], corner[1]) || is_same(corner[1], corner[2]) ||
            is_same(corner[2], corner[0])) {
            continue;
        }
        for (int k = 0; k < 3; k++) {
            if (new_of[corner[k]] == none) {
                new_of[corner[k]] = used.vertex_count;
                used.vertices[used.vertex_count++] = corner[k];
            }
            used.indices[used.index_count++] = new_of[corner[k]];
        }
    }
    return used;
}

/* One attribute on its way into the encoder. */
struct stream {
    draco::GeometryAttribute::Type type;
    draco::DataType data_type;
    uint8_t components;
    bool is_normalized;
    const void *values; /* per used vertex, `stride` apart; values begin each */
    size_t stride;
    float step; /* of its grid; 0 when it has none */
    struct weld weld;
};

struct streams {
    struct stream at[DRACO_STREAMS];
    bool has[DRACO_STREAMS];
};

struct streams weld_streams(const struct draco_mesh *mesh, const struct used_part *used,
                            struct arena *scratch)
{
    using draco::GeometryAttribute;
    struct streams found = {};
    const uint32_t n = used->vertex_count;
    const auto add = [&found](int which, GeometryAttribute::Type type, draco::DataType data_type,
                              uint8_t components, uint32_t *records, size_t stride, float step,
                              struct weld weld) {
        found.has[which] = true;
        found.at[which] = {type,    data_type, components, which == DRACO_COLOR,
                           records, stride,    step,       weld};
    };
    uint32_t *records = gather<3>(mesh->positions, used->vertices, n, scratch);
    add(DRACO_POSITION, GeometryAttribute::POSITION, draco::DT_FLOAT32, 3, records, 12,
        mesh->position_step, weld_records<3>(records, n, scratch));
    if (mesh->normals != nullptr) {
        records = gather<3>(mesh->normals, used->vertices, n, scratch);
        add(DRACO_NORMAL, GeometryAttribute::NORMAL, draco::DT_FLOAT32, 3, records, 12, 0,
            weld_records<3>(records, n, scratch));
    }
    if (mesh->colors != nullptr) {
        records = gather<2>(mesh->colors, used->vertices, n, scratch);
        add(DRACO_COLOR, GeometryAttribute::COLOR, draco::DT_UINT16, 4, records, 8, 0,
            weld_records<2>(records, n, scratch));
    }
    if (mesh->uvs != nullptr) {
        records = gather<2>(mesh->uvs, used->vertices, n, scratch);
        add(DRACO_UV, GeometryAttribute::TEX_COORD, draco::DT_FLOAT32, 2, records, 8, mesh->uv_step,
            weld_records<2>(records, n, scratch));
    }
    if (mesh->rows != nullptr) {
        records = gather<1>(mesh->rows, used->vertices, n, scratch);
        const struct weld weld = weld_records<1>(records, n, scratch);
        for (uint32_t i = 0; i < n; i++) {
            if (mesh->are_rows_float) {
                const float row = static_cast<float>(records[i]);
                memcpy(records + i, &row, 4);
            } else {
                const uint16_t row = static_cast<uint16_t>(records[i]);
                memcpy(records + i, &row, 2); /* the first half of its word */
            }
        }
        add(DRACO_ROW, GeometryAttribute::GENERIC,
            mesh->are_rows_float ? draco::DT_FLOAT32 : draco::DT_UINT16, 1, records, 4, 0, weld);
    }
    return found;
}

/* A point is a distinct combination of values. */
struct weld weld_points(const struct streams *streams, uint32_t count, struct arena *scratch)
{
    uint32_t *records = make<uint32_t>(scratch, DRACO_STREAMS * static_cast<size_t>(count));
    for (int s = 0; s < DRACO_STREAMS; s++) {
        for (uint32_t i = 0; streams->has[s] && i < count; i++) {
            records[DRACO_STREAMS * static_cast<size_t>(i) + static_cast<size_t>(s)] =
                streams->at[s].weld.value_of[i];
        }
    }
    return weld_records<DRACO_STREAMS>(records, count, scratch);
}

int add_attribute(draco::Mesh *out, const struct stream *stream, const struct weld *points)
{
    draco::GeometryAttribute form;
    const int value_bytes = stream->components * draco::DataTypeLength(stream->data_type);
    form.Init(stream->type, nullptr, stream->components, stream->data_type, stream->is_normalized,
              value_bytes, 0);
    /* One value more than is used: see set_grid(). */
    const uint32_t spare = stream->step > 0 ? 1 : 0;
    const int id = out->AddAttribute(form, false, stream->weld.value_count + spare);
    draco::PointAttribute *attribute = out->attribute(id);
    const uint8_t *values = static_cast<const uint8_t *>(stream->values);
    for (uint32_t i = 0; i < stream->weld.value_count; i++) {
        attribute->SetAttributeValue(draco::AttributeValueIndex(i),
                                     values + stream->stride * stream->weld.first[i]);
    }
    for (uint32_t i = 0; i < points->value_count; i++) {
        attribute->SetPointMapEntry(
            draco::PointIndex(i),
            draco::AttributeValueIndex(stream->weld.value_of[points->first[i]]));
    }
    return id;
}

/*
 * Makes the encoder quantize on the stream's own grid. Draco takes the smallest
 * value as the origin and the largest extent as the range of 2^bits - 1 steps,
 * over all values, used or not; so one spare value, which no point maps to and
 * which is therefore never encoded, makes the range step * (2^bits - 1).
 * SetAttributeExplicitQuantization() would say it openly, but keeps the numbers
 * as decimal text with six digits after the point (1.5.5): 0.5 um off.
 */
void set_grid(draco::Mesh *mesh, int id, const struct stream *stream, draco::ExpertEncoder *encoder)
{
    draco::PointAttribute *attribute = mesh->attribute(id);
    const int n = stream->components;
    float spare[3];
    float extent = 0;
    for (int c = 0; c < n; c++) {
        float least = INFINITY;
        float most = -INFINITY;
        for (uint32_t i = 0; i < stream->weld.value_count; i++) {
            float value[3];
            attribute->GetValue(draco::AttributeValueIndex(i), value);
            least = std::fmin(least, value[c]);
            most = std::fmax(most, value[c]);
        }
        spare[c] = least;
        extent = std::fmax(extent, most - least);
    }
    int bits = 1;
    while (stream->step * static_cast<float>((1 << bits) - 1) < extent) {
        bits++;
    }
    assert(bits <= 24);
    spare[0] += stream->step * static_cast<float>((1 << bits) - 1);
    attribute->SetAttributeValue(draco::AttributeValueIndex(stream->weld.value_count), spare);
    encoder->SetAttributeQuantization(id, bits);
}

/* Implies that they are finite, which Draco does not survive otherwise. */
void assert_on_grid(const float *values, size_t count, float step)
{
    for (size_t i = 0; i < count; i++) {
        assert(std::fabs(values[i] / step) <= DRACO_STEPS_MAX);
        assert(std::floor(values[i] / step) * step == values[i]);
    }
    (void)values;
    (void)count;
    (void)step;
}

bool encode(const struct draco_mesh *mesh, struct arena *scratch, struct buf *out,
            struct draco_summary *out_summary, struct err *err)
{
    struct draco_summary summary = {};
    std::memset(summary.unique_id, 0xff, sizeof summary.unique_id);
    const struct used_part used = find_used(mesh, scratch);
    if (used.index_count == 0) {
        *out_summary = summary;
        return true;
    }
    const struct streams streams = weld_streams(mesh, &used, scratch);
    const struct weld points = weld_points(&streams, used.vertex_count, scratch);

    draco::Mesh into;
    into.SetNumFaces(used.index_count / 3);
    for (uint32_t i = 0; i < used.index_count / 3; i++) {
        draco::Mesh::Face face;
        for (uint32_t k = 0; k < 3; k++) {
            face[k] = points.value_of[used.indices[3 * i + k]];
        }
        into.SetFace(draco::FaceIndex(i), face);
    }
    into.set_num_points(points.value_count);
    for (int s = 0; s < DRACO_STREAMS; s++) {
        if (streams.has[s]) {
            const int id = add_attribute(&into, &streams.at[s], &points);
            summary.unique_id[s] = static_cast<int>(into.attribute(id)->unique_id());
        }
    }

    draco::ExpertEncoder encoder(into);
    encoder.SetEncodingMethod(draco::MESH_EDGEBREAKER_ENCODING);
    const int speed = mesh->is_small ? small_speed : usual_speed;
    encoder.SetSpeedOptions(speed, speed);
    encoder.SetTrackEncodedProperties(true);
    set_grid(&into, summary.unique_id[DRACO_POSITION], &streams.at[DRACO_POSITION], &encoder);
    if (streams.has[DRACO_NORMAL]) {
        encoder.SetAttributeQuantization(summary.unique_id[DRACO_NORMAL], mesh->normal_bits);
    }
    if (streams.has[DRACO_UV]) {
        set_grid(&into, summary.unique_id[DRACO_UV], &streams.at[DRACO_UV], &encoder);
    }
    draco::EncoderBuffer encoded;
    const draco::Status status = encoder.EncodeToBuffer(&encoded);
    if (!status.ok()) {
        return err_set(err, ERR_LIBRARY, "draco: %s", status.error_msg());
    }
    summary.vertex_count = static_cast<uint32_t>(encoder.num_encoded_points());
    summary.triangle_count = static_cast<uint32_t>(encoder.num_encoded_faces());
    summary.row_count = streams.has[DRACO_ROW] ? streams.at[DRACO_ROW].weld.value_count : 0;
    const size_t start = out->size;
    buf_add(out, encoded.data(), encoded.size());
    if (!buf_finish(out, err)) {
        out->size = start;
        return false;
    }
    *out_summary = summary;
    return true;
}

} // namespace

extern "C" bool draco_write(const struct draco_mesh *mesh, struct arena *scratch, struct buf *out,
                            struct draco_summary *out_summary, struct err *err)
{
    assert(mesh->index_count % 3 == 0);
    const size_t n = mesh->vertex_count;
    assert_on_grid(mesh->positions, 3 * n, mesh->position_step);
    if (mesh->normals != nullptr) {
        assert(mesh->normal_bits >= 2 && mesh->normal_bits <= 16);
        for (size_t i = 0; i < 3 * n; i++) {
            assert(std::isfinite(mesh->normals[i]));
        }
    }
    if (mesh->uvs != nullptr) {
        assert_on_grid(mesh->uvs, 2 * n, mesh->uv_step);
    }
    (void)n;
    const struct arena_mark mark = arena_mark(scratch);
    const bool ok = seam_run("draco", err, [&] {
        try {
            return encode(mesh, scratch, out, out_summary, err);
        } catch (const arena_failure &) {
            return arena_full(scratch, err);
        }
    });
    arena_reset(scratch, mark);
    return ok;
}

/* ---- reading ---- */

namespace
{

/* The head of a stream, read before Draco sees it: it allocates what the head
 * claims, and a claim costs an attacker five bytes. */
struct head {
    uint64_t face_count;
    uint64_t point_count;
    uint64_t attribute_count; /* of an edgebreaker mesh; each needs a corner table */
};

constexpr uint16_t has_metadata = 0x8000;

bool take_varint(draco::DecoderBuffer *buffer, uint64_t *out)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 35; shift += 7) {
        uint8_t byte;
        if (!buffer->Decode(&byte)) {
            return false;
        }
        value |= static_cast<uint64_t>(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *out = value;
            return true;
        }
    }
    return false;
}

bool read_head(struct span bytes, struct head *out, struct err *err)
{
    enum { HEAD_BYTES = 11 };
    if (bytes.size < HEAD_BYTES || memcmp(bytes.data, "DRACO", 5) != 0) {
        return err_set_at(err, ERR_SYNTAX, 0, "no draco header in %zu bytes", bytes.size);
    }
    const unsigned major = bytes.data[5];
    const unsigned minor = bytes.data[6];
    if (major != 2 || minor != 2) {
        return err_set_at(err, ERR_UNSUPPORTED, 5, "draco bitstream %u.%u", major, minor);
    }
    if (bytes.data[7] != draco::TRIANGULAR_MESH) {
        return err_set_at(err, ERR_UNSUPPORTED, 7, "a draco point cloud, not a mesh");
    }
    const unsigned method = bytes.data[8];
    if ((bytes_load_u16le(bytes.data + 9) & has_metadata) != 0) {
        return err_set_at(err, ERR_UNSUPPORTED, 9, "a draco mesh with metadata");
    }
    draco::DecoderBuffer buffer;
    buffer.Init(reinterpret_cast<const char *>(bytes.data) + HEAD_BYTES, bytes.size - HEAD_BYTES);
    buffer.set_bitstream_version(DRACO_BITSTREAM_VERSION(2, 2));
    struct head head = {};
    bool ok;
    if (method == draco::MESH_EDGEBREAKER_ENCODING) {
        uint8_t traversal;
        uint8_t attributes = 0;
        ok = buffer.Decode(&traversal) && take_varint(&buffer, &head.point_count) &&
             take_varint(&buffer, &head.face_count) && buffer.Decode(&attributes);
        head.attribute_count = attributes;
    } else if (method == draco::MESH_SEQUENTIAL_ENCODING) {
        ok = take_varint(&buffer, &head.face_count) && take_varint(&buffer, &head.point_count);
    } else {
        return err_set_at(err, ERR_SYNTAX, 8, "draco mesh method %u", method);
    }
    if (!ok) {
        return err_set_at(err, ERR_SYNTAX, HEAD_BYTES, "draco header cut short");
    }
    *out = head;
    return true;
}

/* Bytes that Draco takes for a face (corner tables, face, traversal) and for
 * each attribute's corner table, estimated from its sources. */
constexpr uint64_t face_bytes = 80;
constexpr uint64_t table_face_bytes = 16;

bool check_head(const struct head *head, const struct arena *arena, struct err *err)
{
    const uint64_t room = arena->limit_bytes - arena->used_bytes;
    const uint64_t face = face_bytes + table_face_bytes * head->attribute_count;
    if (head->face_count > room / face || head->point_count > 3 * head->face_count) {
        return err_set_at(err, ERR_LIMIT, 11,
                          "draco mesh of %llu faces and %llu points needs more than %llu bytes",
                          static_cast<unsigned long long>(head->face_count),
                          static_cast<unsigned long long>(head->point_count),
                          static_cast<unsigned long long>(room));
    }
    return true;
}

/* Component `c` of a value, as a plain number whatever it is stored as. */
template <typename T> double load(const uint8_t *value, int c)
{
    T component;
    memcpy(&component, value + sizeof(T) * static_cast<size_t>(c), sizeof(T));
    return static_cast<double>(component);
}

double load_component(const uint8_t *value, draco::DataType type, int c)
{
    switch (type) {
    case draco::DT_INT8:
        return load<int8_t>(value, c);
    case draco::DT_UINT8:
    case draco::DT_BOOL:
        return load<uint8_t>(value, c);
    case draco::DT_INT16:
        return load<int16_t>(value, c);
    case draco::DT_UINT16:
        return load<uint16_t>(value, c);
    case draco::DT_INT32:
        return load<int32_t>(value, c);
    case draco::DT_UINT32:
        return load<uint32_t>(value, c);
    case draco::DT_INT64:
        return load<int64_t>(value, c);
    case draco::DT_UINT64:
        return load<uint64_t>(value, c);
    case draco::DT_FLOAT32:
        return static_cast<double>(load<float>(value, c));
    case draco::DT_FLOAT64:
        return load<double>(value, c);
    default:
        return 0;
    }
}

/* What the largest stored integer stands for 1 by; 1 for floats. */
double full_scale(draco::DataType type)
{
    switch (type) {
    case draco::DT_INT8:
        return INT8_MAX;
    case draco::DT_UINT8:
        return UINT8_MAX;
    case draco::DT_INT16:
        return INT16_MAX;
    case draco::DT_UINT16:
        return UINT16_MAX;
    default:
        return 1;
    }
}

/* Calls `put(point, values)` for every point; `filler` stands for components
 * that the attribute does not have. */
template <int components, typename Put>
void for_each_point(const draco::PointAttribute *attribute, uint32_t point_count, double scale,
                    double filler, Put put)
{
    const int stored = attribute->num_components();
    for (uint32_t p = 0; p < point_count; p++) {
        const uint8_t *value = attribute->GetAddress(attribute->mapped_index(draco::PointIndex(p)));
        double values[components];
        for (int c = 0; c < components; c++) {
            values[c] =
                c < stored ? load_component(value, attribute->data_type(), c) / scale : filler;
        }
        put(p, values);
    }
}

template <int components>
float *take_floats(const draco::PointAttribute *attribute, uint32_t point_count, double scale,
                   struct arena *arena)
{
    float *out = make<float>(arena, components * static_cast<size_t>(point_count));
    for_each_point<components>(
        attribute, point_count, scale, 0, [out](uint32_t p, const double *values) {
            for (int c = 0; c < components; c++) {
                out[components * static_cast<size_t>(p) + static_cast<size_t>(c)] =
                    static_cast<float>(values[c]);
            }
        });
    return out;
}

uint16_t *take_colors(const draco::PointAttribute *attribute, uint32_t point_count,
                      struct arena *arena)
{
    uint16_t *out = make<uint16_t>(arena, 4 * static_cast<size_t>(point_count));
    for_each_point<4>(attribute, point_count, full_scale(attribute->data_type()), 1,
                      [out](uint32_t p, const double *values) {
                          for (size_t c = 0; c < 4; c++) {
                              const double unit = std::fmin(std::fmax(values[c], 0.0), 1.0);
                              out[4 * static_cast<size_t>(p) + c] =
                                  static_cast<uint16_t>(std::lround(unit * 65535));
                          }
                      });
    return out;
}

/* True when every point maps to a value that is there: a damaged stream may
 * decode into a mesh that is not. */
bool is_sound(const draco::PointAttribute *attribute, uint32_t point_count)
{
    const size_t value_bytes = static_cast<size_t>(attribute->num_components()) *
                               static_cast<size_t>(draco::DataTypeLength(attribute->data_type()));
    if (value_bytes == 0 || attribute->buffer() == nullptr || attribute->byte_stride() < 0 ||
        static_cast<size_t>(attribute->byte_stride()) < value_bytes) {
        return false;
    }
    const size_t have = attribute->buffer()->data_size();
    for (uint32_t p = 0; p < point_count; p++) {
        const uint32_t value = attribute->mapped_index(draco::PointIndex(p)).value();
        if (value >= attribute->size() ||
            static_cast<size_t>(attribute->byte_stride()) * (static_cast<size_t>(value) + 1) >
                have) {
            return false;
        }
    }
    return true;
}

bool decode(struct span bytes, const struct draco_request *request, struct arena *arena,
            struct draco_decoded *out, struct err *err)
{
    draco::DecoderBuffer buffer;
    buffer.Init(reinterpret_cast<const char *>(bytes.data), bytes.size);
    draco::Decoder decoder;
    auto decoded = decoder.DecodeMeshFromBuffer(&buffer);
    if (!decoded.ok()) {
        return err_set_at(err, ERR_SYNTAX, 0, "draco: %s", decoded.status().error_msg());
    }
    const std::unique_ptr<draco::Mesh> mesh = std::move(decoded).value();
    struct draco_decoded found = {};
    found.vertex_count = mesh->num_points();
    found.index_count = 3 * mesh->num_faces();
    const draco::PointAttribute *attributes[DRACO_STREAMS] = {};
    for (int s = 0; s < DRACO_STREAMS; s++) {
        if (request->unique_id[s] < 0) {
            continue;
        }
        attributes[s] = mesh->GetAttributeByUniqueId(static_cast<uint32_t>(request->unique_id[s]));
        if (attributes[s] == nullptr) {
            return err_set(err, ERR_SCHEMA, "draco mesh has no attribute %d",
                           request->unique_id[s]);
        }
        if (!is_sound(attributes[s], found.vertex_count)) {
            return err_set_at(err, ERR_SYNTAX, 0, "draco attribute %d is incomplete",
                              request->unique_id[s]);
        }
    }
    found.indices = make<uint32_t>(arena, found.index_count);
    for (uint32_t f = 0; f < mesh->num_faces(); f++) {
        for (uint32_t k = 0; k < 3; k++) {
            const uint32_t index = mesh->face(draco::FaceIndex(f))[k].value();
            if (index >= found.vertex_count) {
                return err_set_at(err, ERR_SYNTAX, 0, "draco index %u of %u points", index,
                                  found.vertex_count);
            }
            found.indices[3 * static_cast<size_t>(f) + k] = index;
        }
    }
    const uint32_t n = found.vertex_count;
    if (attributes[DRACO_POSITION] != nullptr) {
        found.positions = take_floats<3>(attributes[DRACO_POSITION], n, 1, arena);
    }
    if (attributes[DRACO_NORMAL] != nullptr) {
        const double scale = full_scale(attributes[DRACO_NORMAL]->data_type());
        found.normals = take_floats<3>(attributes[DRACO_NORMAL], n, scale, arena);
    }
    if (attributes[DRACO_COLOR] != nullptr) {
        found.colors = take_colors(attributes[DRACO_COLOR], n, arena);
    }
    if (attributes[DRACO_UV] != nullptr) {
        const double scale = full_scale(attributes[DRACO_UV]->data_type());
        found.uvs = take_floats<2>(attributes[DRACO_UV], n, scale, arena);
    }
    if (attributes[DRACO_ROW] != nullptr) {
        found.rows = take_floats<1>(attributes[DRACO_ROW], n, 1, arena);
    }
    *out = found;
    return true;
}

} // namespace

extern "C" bool draco_read(struct span bytes, const struct draco_request *request,
                           struct arena *arena, struct draco_decoded *out, struct err *err)
{
    struct head head;
    if (!read_head(bytes, &head, err) || !check_head(&head, arena, err)) {
        return false;
    }
    return seam_run("draco", err, [&] {
        try {
            return decode(bytes, request, arena, out, err);
        } catch (const arena_failure &) {
            return arena_full(arena, err);
        }
    });
}
