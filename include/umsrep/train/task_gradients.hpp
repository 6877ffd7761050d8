// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <Eigen/Core>

#include <umsrep/core/aligned_array.hpp>
#include <umsrep/core/pieces.hpp>
#include <umsrep/train/balance/inner_products.hpp>

namespace umsrep {

/// Each task's own gradient of the parameters that the tasks share, one after another in memory.
template <class T>
class task_gradients {
public:
    /// The parameters of one stage among the shared ones: [begin, end).
    struct range {
        std::size_t begin = 0, end = 0;
    };

    task_gradients(std::vector<range> stages, std::size_t tasks)
        : stages_{std::move(stages)}, products_{stages_.size(), tasks}, tasks_{tasks} {
        for (const range& stage : stages_) size_ = std::max(size_, stage.end);
        all_ = aligned_array<T>(size_ * tasks);
    }

    /// How many parameters are shared.
    std::size_t size() const { return size_; }
    std::size_t bytes() const { return all_.size() * sizeof(T); }
    std::span<T> of(std::size_t task) { return all_.span().subspan(task * size_, size_); }

    /// The inner products of all pairs of tasks that are present, summed in double, in an order that does not depend on the threads.
    const balance::inner_products& multiply(std::span<const char> present, thread_pool& pool) {
        for (std::size_t i = 0; i < tasks_; ++i)
            for (std::size_t j = i; j < tasks_; ++j) {
                const bool both = present[i] != 0 && present[j] != 0;
                double sum = both ? 0 : std::numeric_limits<double>::quiet_NaN();
                for (std::size_t s = 0; s < stages_.size(); ++s) {
                    const double one = both ? product(of_stage(i, s), of_stage(j, s), pool) : sum;
                    products_.set(s, i, j, one);
                    sum += one;
                }
                products_.set(stages_.size(), i, j, sum);
            }
        return products_;
    }
    const balance::inner_products& products() const { return products_; }

    /// The sum of `coefficients[i]` times the gradient of task i, over the tasks whose coefficient is not 0.
    void combine(std::span<const double> coefficients, std::span<T> result, thread_pool& pool) {
        using values = Eigen::Array<T, Eigen::Dynamic, 1>;
        for_pieces(&pool, {static_cast<std::ptrdiff_t>(size_), 1 << 14}, [&](std::ptrdiff_t begin, std::ptrdiff_t end) {
            Eigen::Map<values> sum{result.data() + begin, end - begin};
            sum.setZero();
            for (std::size_t i = 0; i < tasks_; ++i)
                if (coefficients[i] != 0)
                    sum += static_cast<T>(coefficients[i]) * Eigen::Map<const values>{of(i).data() + begin, end - begin};
        });
    }

private:
    std::span<const T> of_stage(std::size_t task, std::size_t s) {
        return of(task).subspan(stages_[s].begin, stages_[s].end - stages_[s].begin);
    }

    static double product(std::span<const T> a, std::span<const T> b, thread_pool& pool) {
        return sum_of_pieces(&pool, 1 << 15, static_cast<std::ptrdiff_t>(a.size()), [=](std::ptrdiff_t begin, std::ptrdiff_t end) {
            using values = Eigen::Array<T, Eigen::Dynamic, 1>;
            const Eigen::Map<const values> x{a.data() + begin, end - begin}, y{b.data() + begin, end - begin};
            return (x.template cast<double>() * y.template cast<double>()).sum();
        });
    }

    std::vector<range> stages_;
    balance::inner_products products_;
    std::size_t tasks_, size_ = 0;
    aligned_array<T> all_;
};

} // namespace umsrep
