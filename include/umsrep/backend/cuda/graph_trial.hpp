// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <variant>
#include <vector>

#include <umsrep/backend/cuda/device.hpp>
#include <umsrep/backend/cuda/operation.hpp>
#include <umsrep/core/error.hpp>

namespace umsrep::cuda {

/// Of a max pool, an index for each element of its result, as that lies in memory: of the first pixel of each window that is in the image.
/// Of zeros the pixel may lie beside it, where the window begins in the padding.
inline std::vector<std::int8_t> first_pixels(const resample& r) {
    const tensor& t = *r.index;
    std::vector<std::int8_t> all(static_cast<std::size_t>(t.extent_in_memory()), 0);
    const auto first = [&](std::size_t axis, std::int64_t at) {
        return std::max<std::int64_t>(0, r.pad_before[axis].numerator - at * r.stride[axis].numerator);
    };
    for (std::int64_t n = 0; n < t.size[0]; ++n)
        for (std::int64_t c = 0; c < t.size[1]; ++c)
            for (std::int64_t y = 0; y < t.size[2]; ++y)
                for (std::int64_t x = 0; x < t.size[3]; ++x)
                    all[static_cast<std::size_t>(n * t.stride[0] + c * t.stride[1] + y * t.stride[2] + x * t.stride[3])] =
                        static_cast<std::int8_t>(first(0, y) * r.window[1].numerator + first(1, x));
    return all;
}

/// A graph run in memory of its own, by one plan or another: whether a plan runs, and how long it takes, is known before anything of a
/// model depends on it. The memory holds zeros, and indices that a pool may have found; it is taken when the first plan is tried. Not while
/// work is captured or rehearsed.
template <class Machine>
class graph_trial {
public:
    /// `m` must outlive this.
    graph_trial(Machine& m, const operation_graph& g) : machine_{&m} {
        for (const operation& o : g.operations)
            for_each_tensor(o, [&](const char*, const tensor& t) {
                const role r = static_cast<role>(t.id);
                if (t.inside || !places_.emplace(r, t.by_value ? by_value : bytes_).second || t.by_value) return;
                bytes_ += (static_cast<std::size_t>(t.extent_in_memory()) * size_of(t.type) + 255) / 256 * 256;
            });
        for (const operation& o : g.operations)
            if (const auto* r = std::get_if<resample>(&o); r != nullptr && r->backward && r->index) pools_.push_back(*r);
    }

    /// Of all tensors together.
    std::size_t bytes() const { return bytes_; }
    /// Takes the memory. Throws device_error where there is not so much.
    void reserve() {
        if (tensors_.bytes() == bytes_) return;
        tensors_ = machine_->allocate(bytes_);
        machine_->zero(tensors_.address(), bytes_);
        for (const resample& r : pools_) {
            const std::vector<std::int8_t> index = first_pixels(r);
            machine_->upload(at(places_.at(static_cast<role>(r.index->id))), index.data(), index.size(), queue::compute);
            machine_->synchronize();
        }
    }

    /// Runs a plan once and waits for it. Throws device_error where it does not run. Where there is no memory to try it in, it goes untried.
    template <class Plan>
    void check(const Plan& p) {
        try {
            reserve();
            reserve_workspace(p);
            machine_->synchronize(); // what failed before is not the plan's failure
        } catch (const device_error&) {
            return;
        }
        run(p);
        machine_->synchronize();
    }

    /// Seconds that a run takes on the device: the median of a few measurements, each of as many runs in a row as make a millisecond. The
    /// runs are captured, as those of a model are, so what the host does to begin each is not in it; a plan that cannot be captured is
    /// refused, too. One that takes more than twice `least` is measured once. Throws device_error.
    template <class Plan>
    double seconds(const Plan& p, double least) {
        reserve();
        reserve_workspace(p);
        run(p); // once as it comes: what libraries do when they are first called cannot be captured
        machine_->synchronize();
        const auto one = captured(p, 1);
        machine_->seconds(one); // brings it to the device
        const double about = machine_->seconds(one);
        if (about > 2 * least + launch) return about;
        const int in_a_row = static_cast<int>(std::clamp(1e-3 / std::max(about, 1e-9), 1.0, 16.0));
        const auto several = captured(p, in_a_row);
        machine_->seconds(several);
        std::array<double, 5> times{};
        for (double& t : times) t = machine_->seconds(several) / in_a_row;
        std::nth_element(times.begin(), times.begin() + 2, times.end());
        return times[2];
    }

private:
    static constexpr std::size_t by_value = static_cast<std::size_t>(-1);
    static constexpr double launch = 1e-4; ///< more than the beginning of captured work takes, which is in what one run seems to take

    void* at(std::size_t place) const { return static_cast<std::byte*>(tensors_.address()) + place; }
    template <class Plan>
    void reserve_workspace(const Plan& p) {
        const auto bytes = static_cast<std::size_t>(p.workspace());
        if (bytes <= workspace_.bytes()) return;
        workspace_ = typename Machine::memory{}; // first, so that the two are never there together
        workspace_ = machine_->allocate(bytes);
    }
    template <class Plan>
    void run(const Plan& p) {
        std::vector<argument> arguments;
        for (const auto& [r, place] : places_)
            arguments.push_back({r, place == by_value ? static_cast<void*>(&value_) : at(place)});
        machine_->run(p, arguments, workspace_.address());
    }
    template <class Plan>
    auto captured(const Plan& p, int times) {
        return machine_->capture([&] {
            for (int i = 0; i < times; ++i) run(p);
        });
    }

    Machine* machine_;
    std::map<role, std::size_t> places_;
    std::vector<resample> pools_; ///< backward, that read which pixel was the largest
    std::size_t bytes_ = 0;
    float value_ = 0.1f; ///< of every number that is given by value: norms' epsilon and momentum
    typename Machine::memory tensors_, workspace_;
};

} // namespace umsrep::cuda
