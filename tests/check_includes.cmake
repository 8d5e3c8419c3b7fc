# SPDX-License-Identifier: Apache-2.0
# Fails when a file includes against the dependency arrows, or includes a
# third-party header that belongs to another file. Run as
#   cmake -D ROOT=. -P tests/check_includes.cmake

cmake_policy(SET CMP0057 NEW) # IN_LIST

set(may_formats/base formats/base)
set(may_formats formats)
set(may_tiler formats tiler)
set(may_fixtures formats/base fixtures)
set(may_server formats server)

# One third-party header, one file that may include it.
set(only_gnutls/crypto.h server/secret.c)
# Hashes and signatures; TLS: one library, two nouns.
set(only_gnutls/gnutls.h server/certificate.c server/secret.c)
set(only_gnutls/x509.h server/certificate.c)
# The server in two files, which share this header.
set(only_microhttpd.h server/http_internal.h)
# Two libraries in one: a codec and a simplifier.
set(only_meshoptimizer.h formats/meshopt.c tiler/simplify.c)
set(only_libdeflate.h formats/packing.c)
set(only_GL/glu.h tiler/tessellate.c)
set(only_proj.h tiler/crs.c)
set(only_proj_experimental.h tiler/crs.c)
set(only_png.h formats/image_png.c)
set(only_jpeglib.h formats/image_jpeg.c)
set(only_jerror.h formats/image_jpeg.c)
set(only_tiffio.h formats/image_tiff.c)
set(only_webp/decode.h formats/image_webp.c)
set(only_webp/encode.h formats/image_webp.c)
set(only_libxml/parser.h formats/xml.c)
set(only_libxml/parserInternals.h formats/xml.c)
# A reader, the files it reads, a writer: one library, three nouns.
set(only_sqlite3.h formats/geopackage.c formats/geopackage_vfs.c formats/geopackage_write.c)
set(only_zlib.h formats/inflate.c)
set(only_xxhash.h formats/digest.c)
set(only_zstd.h formats/packing.c)
set(only_draco/compression/decode.h formats/draco.cpp)
set(only_draco/compression/expert_encode.h formats/draco.cpp)
set(only_draco/mesh/mesh.h formats/draco.cpp)

set(broken 0)
foreach(layer formats/base formats tiler server fixtures)
    file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/${layer}/*.[ch] ${ROOT}/${layer}/*.[ch]pp)
    foreach(file IN LISTS files)
        file(STRINGS ${ROOT}/${file} lines REGEX "^#include ")
        foreach(line IN LISTS lines)
            string(REGEX REPLACE "^#include [\"<]([^\">]*)[\">].*" "\\1" path "${line}")
            set(ok TRUE)
            if(line MATCHES "^#include \"")
                set(ok FALSE)
                foreach(folder IN LISTS may_${layer})
                    if(path MATCHES "^${folder}/")
                        set(ok TRUE)
                    endif()
                endforeach()
            elseif(DEFINED only_${path} AND NOT file IN_LIST only_${path})
                set(ok FALSE)
            endif()
            if(NOT ok)
                message(SEND_ERROR "${file} may not include ${path}")
            endif()
        endforeach()
    endforeach()
endforeach()
