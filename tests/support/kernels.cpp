// SPDX-License-Identifier: MIT
#include <umsrep/backend/reference/reference.hpp>

template struct umsrep::reference<float>;
template struct umsrep::reference<double>;
