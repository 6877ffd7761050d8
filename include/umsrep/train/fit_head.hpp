// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include <umsrep/train/fit.hpp>

namespace umsrep {

/// Trains one head of a model and nothing else: to add a task to a trained one. The outputs of all other heads stay as they are, to the
/// bit; so the encoder must be frozen, and its norm statistics must not move, unless each task has its own (norm_statistics::per_task).
///
///     fit_head<"finding">(m, train_set, valid_set, optim::adamw{.lr = 1e-3}, {.epochs = 10});
template <fixed_string Head, class Strategy = joint<frozen>, class Net, class Backend, optim::optimizer Optimizer>
history fit_head(model<Net, Backend>& m, data::loader& samples, data::loader* valid, Optimizer optimizer, const fit_options& o = {},
                 const train_options& how = {}) {
    constexpr mode what = Strategy::value(network_traits<Net>::stage_count);
    constexpr bool leaves_others = what.first_trained_stage == network_traits<Net>::stage_count && what.norms != norm_statistics::adaptive;
    static_assert(leaves_others, "umsrep: fit_head: other heads read the encoder, so it must be frozen and its norm statistics must not move");
    trainer t(m, Strategy{}, optimizer, detail::largest_batch(samples, valid), how, std::uint64_t{1} << detail::index_of_head<Net, Head>());
    return t.fit(samples, valid, o);
}
template <fixed_string Head, class Strategy = joint<frozen>, class Net, class Backend, optim::optimizer Optimizer>
history fit_head(model<Net, Backend>& m, data::loader& samples, data::loader& valid, Optimizer optimizer, const fit_options& o = {},
                 const train_options& how = {}) {
    return fit_head<Head, Strategy>(m, samples, &valid, optimizer, o, how);
}

} // namespace umsrep
