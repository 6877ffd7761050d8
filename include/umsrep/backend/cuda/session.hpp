// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <umsrep/backend/cuda/parameter_store.hpp>
#include <umsrep/backend/cuda/program.hpp>

namespace umsrep::cuda {

/// What a model has on a device: the machine, its parameters and statistics, and the memory that its programs share.
template <class Machine, precision P>
class session {
public:
    /// `g` must outlive this. Sessions that never run at the same time may share a machine, and what it prepared. Throws device_error where
    /// there is no device.
    explicit session(const graph& g, std::shared_ptr<Machine> m = std::make_shared<Machine>())
        : graph_{&g},
          machine_{std::move(m)},
          store_{*machine_, g, std::max(1, g.head_count())},
          statistics_(static_cast<std::size_t>(std::max(1, g.head_count())), 0) {}

    const graph& network() const { return *graph_; }
    Machine& machine() { return *machine_; }
    parameter_store<Machine, P>& store() { return store_; }
    const std::shared_ptr<work_memory<Machine>>& memory() { return memory_; }

    /// Takes the host's parameters and a set of its statistics where they changed since.
    void take(const model_arrays<float>& a) {
        if (a.version == 0 || a.version != parameters_) {
            store_.upload_parameters(a.parameters);
            parameters_ = a.version;
        }
        std::uint64_t& statistics = statistics_[static_cast<std::size_t>(a.set)];
        if (a.version == 0 || a.version != statistics) {
            store_.upload_statistics(a.statistics, a.set);
            statistics = a.version;
        }
    }
    /// Says that parameters or statistics were changed here, so the host's are old until `give`. `by`: as in parameter_store::changed.
    void changed(const void* by) {
        store_.changed(by);
        ahead_ = true;
    }
    /// Gives the host what was changed here, all sets of statistics.
    void give(std::span<float> parameters, std::span<float> statistics) {
        if (!ahead_) return;
        store_.download_parameters(parameters.data());
        const std::size_t size = static_cast<std::size_t>(graph_->statistics);
        for (std::size_t set = 0; size > 0 && set < statistics.size() / size; ++set)
            store_.download_statistics(statistics.data() + set * size, static_cast<int>(set));
        ahead_ = false; // only now: a device that failed leaves the host's old, and says so again
    }

private:
    const graph* graph_;
    std::shared_ptr<Machine> machine_;
    parameter_store<Machine, P> store_;
    std::shared_ptr<work_memory<Machine>> memory_ = std::make_shared<work_memory<Machine>>();
    std::uint64_t parameters_ = 0;          ///< the version that was taken
    std::vector<std::uint64_t> statistics_; ///< of each set
    bool ahead_ = false;                    ///< of the host
};

} // namespace umsrep::cuda
