# SPDX-License-Identifier: Apache-2.0
# Fails when a file includes against the dependency arrows, or includes a
# third-party header that belongs to another file. Run as
#   cmake -D ROOT=. -P tests/check_includes.cmake

set(may_formats/base formats/base)
set(may_formats formats)
set(may_tiler formats tiler)
set(may_server formats server)

# One third-party header, one file that may include it.
set(only_microhttpd.h server/http.c)
set(only_libdeflate.h formats/packing.c)
set(only_proj.h tiler/crs.c)
set(only_png.h formats/image_png.c)
set(only_xxhash.h formats/digest.c)
set(only_zstd.h formats/packing.c)
set(only_draco/compression/encode.h formats/draco.cpp)

set(broken 0)
foreach(layer formats/base formats tiler server)
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
            elseif(DEFINED only_${path} AND NOT only_${path} STREQUAL file)
                set(ok FALSE)
            endif()
            if(NOT ok)
                message(SEND_ERROR "${file} may not include ${path}")
            endif()
        endforeach()
    endforeach()
endforeach()
