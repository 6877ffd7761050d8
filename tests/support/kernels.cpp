// SPDX-License-Identifier: MIT
#include <umsrep/backend/cpu/cpu.hpp>
#include <umsrep/backend/reference/reference.hpp>

template struct umsrep::cpu<>;
template struct umsrep::cpu<umsrep::winograd, umsrep::core_families>;
template struct umsrep::reference<float>;
template struct umsrep::reference<double>;
