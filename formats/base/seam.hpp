/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORMATS_BASE_SEAM_HPP
#define FORMATS_BASE_SEAM_HPP

/*
 * seam.hpp - keeps C++ exceptions on the C++ side. Included only by seam files
 * (formats/draco.cpp), where the body of each extern "C"
 * function is one call to seam_run().
 */

#include <exception>
#include <new>

#include "formats/base/err.h"

/* Runs `body`, a callable that returns bool and may throw. */
template <typename Body> bool seam_run(const char *library, struct err *err, Body &&body) noexcept
{
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return err_set(err, ERR_NOMEM, "%s", library);
    } catch (const std::exception &e) {
        return err_set(err, ERR_LIBRARY, "%s: %s", library, e.what());
    } catch (...) {
        return err_set(err, ERR_LIBRARY, "%s: unknown exception", library);
    }
}

#endif
