// SPDX-License-Identifier: MIT
#include <umsrep/backend/reference/reference.hpp>

// Compiled once, here; see state.hpp.
template struct umsrep::reference<float>;
