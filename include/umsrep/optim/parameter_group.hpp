// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include <umsrep/core/error.hpp>
#include <umsrep/core/pieces.hpp>
#include <umsrep/optim/optimizer.hpp>

namespace umsrep::optim {

/// Parameters [begin, end) that share a learning rate and a weight decay. What no group covers is not updated.
struct parameter_group {
    std::ptrdiff_t begin = 0, end = 0;
    double lr_scale = 1.0;    ///< times the schedule's learning rate; layer-wise decay
    double decay_scale = 1.0; ///< times the optimiser's weight decay; 0 for norms and biases
    friend constexpr bool operator==(const parameter_group&, const parameter_group&) = default;
};

/// Refuses groups that are not ascending, overlap, leave [0, size) or scale by something that is not a finite number >= 0.
inline void check_groups(std::span<const parameter_group> groups, std::ptrdiff_t size) {
    std::ptrdiff_t from = 0;
    for (std::size_t i = 0; i < groups.size(); ++i) {
        const parameter_group& g = groups[i];
        if (g.begin < from || g.end < g.begin || g.end > size)
            throw option_error("parameter group " + std::to_string(i),
                               "a range within [" + std::to_string(from) + ", " + std::to_string(size) + ")",
                               "[" + std::to_string(g.begin) + ", " + std::to_string(g.end) + ")");
        for (const double scale : {g.lr_scale, g.decay_scale})
            if (!(scale >= 0.0) || !std::isfinite(scale))
                throw option_error("parameter group " + std::to_string(i), "finite scales >= 0", std::to_string(scale));
        from = g.end;
    }
}

/// One step of the optimiser over every group; `lr_factor` is the schedule's. Arrays as in `optimizer`, of all parameters. The same
/// bits with a pool of any size and with none.
template <optimizer Optimizer, class T>
void update_groups(const Optimizer& optimizer, std::span<const parameter_group> groups, std::span<T> w,
                   std::span<const std::type_identity_t<T>> g,
                   std::array<std::span<std::type_identity_t<T>>, Optimizer::moments> state, std::int64_t step,
                   double lr_factor = 1.0, thread_pool* pool = nullptr) {
    check(optimizer);
    check_factor(lr_factor);
    check_groups(groups, static_cast<std::ptrdiff_t>(w.size()));
    detail::check_update("parameter groups'", w, g, state, step);
    constexpr std::ptrdiff_t piece = 1 << 15; // elements; times the streams of an optimiser, some hundred KiB
    const auto cut = [](const parameter_group& group) { return pieces{group.end - group.begin, piece}; };
    int tasks = 0;
    for (const parameter_group& group : groups) tasks += cut(group).count();
    for_tasks(pool, tasks, [&](int task) {
        const parameter_group* group = groups.data();
        for (; task >= cut(*group).count(); ++group) task -= cut(*group).count();
        const auto begin = static_cast<std::size_t>(group->begin + cut(*group).begin(task));
        const auto count = static_cast<std::size_t>(group->begin + cut(*group).end(task)) - begin;
        auto part = state;
        for (auto& moment : part) moment = moment.subspan(begin, count);
        optimizer.update(w.subspan(begin, count), g.subspan(begin, count), part, step, optimizer.lr * lr_factor * group->lr_scale,
                         optimizer.weight_decay * group->decay_scale);
    });
}

} // namespace umsrep::optim
