// SPDX-License-Identifier: MIT
// A backend without the kernels for an operation of the network.
// expect: umsrep: the network needs operations that this backend lacks; name cpu<> or none
#include <umsrep/umsrep.hpp>

using namespace umsrep;

struct xray : encoder<image<1, 8, 8>, stage<"e1", conv<16, 3>, gelu>> {};
struct net : network<xray, head<"denoise", conv<1, 1>, loss::l1>> {};

#ifdef KO
using backend = cpu<winograd, core_families>;
#else
using backend = cpu<winograd, network_families<net>>;
#endif

int parameters_of(const model<net, backend>& m) { return static_cast<int>(m.parameters().size()); }
