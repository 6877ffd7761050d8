// SPDX-License-Identifier: MIT
// A second translation unit with the whole library in every test program: a function that lacks `inline` breaks the link.
#if __has_include(<umsrep/umsrep.hpp>)
#include <umsrep/umsrep.hpp>
#endif
