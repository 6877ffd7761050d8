// SPDX-License-Identifier: MIT
// The reference network trained.
#include <umsrep/umsrep.hpp>

using namespace umsrep;

template <int C>
struct block : seq<conv<C, 3, no_bias>, batch_norm, relu, conv<C, 3, no_bias>, batch_norm, relu> {};
template <fixed_string Skip, int C>
struct up : seq<conv_transpose<C, 2, stride<2>>, concat<Skip>, block<C>> {};
struct chest_xray : encoder<image<1, 256, 256>,
    stage<"e1", block<32>>,
    stage<"e2", max_pool<2>, block<64>>,
    stage<"e3", max_pool<2>, block<128>>,
    stage<"e4", max_pool<2>, block<256>>,
    stage<"e5", max_pool<2>, block<512>>> {};
struct decoder : seq<up<"e4", 256>, up<"e3", 128>, up<"e2", 64>, up<"e1", 32>, conv<1, 1>> {};
struct net : network<chest_xray,
    head<"denoise", decoder, loss::l1>,
    head<"lungs", decoder, loss::dice_bce>,
    head<"finding", seq<global_avg_pool, linear<3>>, loss::cross_entropy>> {};

static_assert(parameters<net> == 10'812'837);
static_assert(training_bytes<net, joint<all>>(batch{8}) < 2_GiB);

history train_it(data::loader& samples, data::loader& valid) {
    model<net> m{seed{1}, batch{8}};
    return fit(m, joint<all>{}, samples, valid, optim::adamw{});
}
