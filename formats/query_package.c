/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/query_package.h"

static bool open_index(const struct package *package, struct query_package *opened, struct err *err)
{
    if (!package_find(package, text_of(FEATURE_INDEX_NAME), &opened->member, err)) {
        return false;
    }
    if (!opened->member.is_found) {
        return err_set(err, ERR_UNSUPPORTED,
                       "no " FEATURE_INDEX_NAME " in the package: there is nothing to ask");
    }
    if (opened->member.method != PACKING_STORED) {
        return err_set(err, ERR_UNSUPPORTED,
                       FEATURE_INDEX_NAME " is compressed: storey pack keeps it as it is");
    }
    return feature_index_open(opened->member.packed, &opened->index, err);
}

static bool open_attributes(const struct package *package, struct query_package *opened,
                            struct err *err)
{
    struct package_member member;
    struct package_place place;
    if (!package_find(package, text_of(GEOPACKAGE_NAME), &member, err)) {
        return false;
    }
    const bool is_found = member.is_found;
    package_member_release(&member);
    return !is_found || (package_locate(package, text_of(GEOPACKAGE_NAME), &place, err) &&
                         geopackage_open(place.path, place.offset, place.bytes,
                                         &opened->target.attributes, err));
}

bool query_package_open(const struct package *package, struct query_package *out, struct err *err)
{
    *out = (struct query_package){.target = {.index = &out->index}};
    if (!open_index(package, out, err) || !open_attributes(package, out, err)) {
        query_package_close(out);
        return false;
    }
    return true;
}

void query_package_close(struct query_package *opened)
{
    geopackage_close(opened->target.attributes);
    if (opened->member.is_found) {
        package_member_release(&opened->member);
    }
    *opened = (struct query_package){.target = {.index = NULL}};
}
