// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <variant>
#include <vector>

#include <umsrep/core/random.hpp>
#include <umsrep/optim/ema.hpp>
#include <umsrep/optim/schedule.hpp>
#include <umsrep/train/balance/policy.hpp>
#include <umsrep/train/history.hpp>
#include <umsrep/train/step_place.hpp>

namespace umsrep {

/// What the learning rate follows. `cosine` counts updates, and a total of 0 means the whole run; `step` and `plateau` count epochs.
using learning_rate_schedule = std::variant<schedule::constant, schedule::step, schedule::cosine, schedule::plateau>;

/// Penalty strength / 2 |w - start|^2 on what trains of the encoder; goes into the gradient before it is clipped. See optim/l2_sp.hpp.
struct l2_sp {
    double strength = 0.1;
    std::vector<double> start{}; ///< every parameter of the model; empty: as they are when the trainer is built
};

using balancing_policy = balance::any_policy;

/// How a trainer steps.
struct train_options {
    seed random{0};                      ///< of dropout
    learning_rate_schedule schedule{};
    std::vector<double> head_weights{};  ///< of the heads' losses in their sum; empty: all 1
    balancing_policy balance{};          ///< of the tasks of a joint strategy: `balance::pcgrad{}`, ...; empty: the weighted sum of losses
    double loss_average = 0;             ///< decay of the moving average that each loss is divided by before it is balanced; 0: it is not
    double clip_norm = 0;                ///< greatest norm of the gradient of a step; 0: not clipped
    std::size_t feature_bytes = std::size_t{4} << 30; ///< that a cached strategy may keep; samples beyond are computed each time
    double layer_decay = 1;              ///< factor on the learning rate per encoder stage, counted from the heads down
    bool decay_norms_and_biases = true;  ///< weight decay acts on everything (PyTorch's default)
    std::optional<umsrep::l2_sp> l2_sp{}; ///< pulls the encoder towards where it started
    std::optional<optim::ema> average{}; ///< average of the weights: validated and kept as the best model instead of the weights
};

/// Where a run is, after a batch.
struct batch_report {
    int epoch = 0, epochs = 0;           ///< from 1
    std::size_t batch = 0, batches = 0;  ///< from 1
    std::size_t samples = 0;             ///< in this batch
    const std::vector<double>* loss = nullptr; ///< this batch's, per head; NaN: not trained in it
    loss_scaling scaling{};
};

/// How long a run lasts and who is told.
struct fit_options {
    int epochs = 10;
    std::uint64_t first_epoch = 0;       ///< of the loader: order and augmentation go on from there
    int patience = 0;                    ///< epochs without a better monitor before the run stops; 0: never
    bool keep_best = true;               ///< at the end, take the weights of the best epoch
    bool allow_unlabelled_heads = false; ///< go on when a trained head has no label in a whole epoch; otherwise that is an error
    std::function<double()> monitor{};   ///< lower is better; empty: the weighted sum of the validation (else training) losses
    std::function<void(const batch_report&)> on_batch{};
    std::function<void(const epoch_record&)> on_epoch{};
    std::function<void()> on_checkpoint{}; ///< called when the trainer's state should be saved: after every epoch, and
    std::size_t checkpoint_every = 0;      ///< after every so many batches; 0: only after epochs
};

} // namespace umsrep
