// SPDX-License-Identifier: MIT
#if __has_include(<umsrep/umsrep.hpp>)
#include <umsrep/umsrep.hpp>
#endif
