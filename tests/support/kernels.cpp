// SPDX-License-Identifier: MIT
#include "kernels.hpp"

template struct umsrep::cpu<>;
template struct umsrep::cpu<umsrep::winograd, umsrep::core_families>;
template struct umsrep::cpu<umsrep::winograd, umsrep::test::with_dropout>;
template struct umsrep::reference<float>;
template struct umsrep::reference<double>;
