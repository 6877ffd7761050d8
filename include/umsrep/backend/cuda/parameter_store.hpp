// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <umsrep/backend/cuda/device_image.hpp>
#include <umsrep/backend/cuda/kernel/copy.cuh>
#include <umsrep/backend/cuda/machine.hpp>
#include <umsrep/backend/cuda/parameter_layout.hpp>

namespace umsrep::cuda {

/// The parameters and running statistics of a model on a device: floats that an optimiser moves, of the matrices a copy in the type that
/// layers read, and statistics in as many sets as the model has.
template <class Machine, precision P>
class parameter_store {
public:
    using stored = stored_type<P>;
    static constexpr bool has_copies = size_of(storage_type(P)) < 4;

    /// `m` must outlive this. `sets`: of running statistics.
    parameter_store(Machine& m, const graph& g, int sets)
        : machine_{&m},
          layout_{g},
          masters_{m.allocate(floats(layout_.matrices() + layout_.vectors()))},
          copies_{m.allocate(has_copies ? static_cast<std::size_t>(layout_.matrices()) * sizeof(stored) : 0)},
          statistics_{m.allocate(floats(sets * layout_.statistics()))},
          constants_{m.allocate(floats(2 * layout_.widest()))},
          staging_{m.allocate_on_host(floats(layout_.matrices() + layout_.vectors()))},
          statistics_staging_{m.allocate_on_host(floats(layout_.statistics()))} {
        std::vector<float> ones_and_zeros(static_cast<std::size_t>(2 * layout_.widest()), 0.0f);
        std::fill_n(ones_and_zeros.begin(), layout_.widest(), 1.0f);
        m.upload(constants_.address(), ones_and_zeros.data(), constants_.bytes(), queue::compute);
        m.rehearse([this] { enqueue_copies(); });
        m.synchronize();
    }

    const parameter_layout& layout() const { return layout_; }

    /// What an optimiser moves: all matrices, then all vectors.
    float* masters() const { return static_cast<float*>(masters_.address()); }
    /// The same for each tensor of parameters.
    float* master(const stored_tensor& t) const {
        return static_cast<float*>(masters_.address()) + (t.what == stored_tensor::kind::vector ? layout_.matrices() : 0) + t.place;
    }
    /// What layers read: of a matrix in their type; `master` where that is the same.
    void* read_by_layers(const stored_tensor& t) const {
        if (!has_copies || t.what != stored_tensor::kind::matrix) return master(t);
        return static_cast<stored*>(copies_.address()) + t.place;
    }
    float* statistic(const stored_tensor& t, int set) const { return statistics(set) + t.place; }
    float* statistics(int set) const { return static_cast<float*>(statistics_.address()) + set * layout_.statistics(); }
    /// For norms without weight or bias: layout().widest() of each.
    float* ones() const { return static_cast<float*>(constants_.address()); }
    float* zeros() const { return ones() + layout_.widest(); }

    /// Who changes parameters or statistics on the device says so, by an address that stands for it.
    void changed(const void* by = nullptr) {
        ++version_;
        if (by == nullptr || by != writer_) written_since_ = version_;
        writer_ = by;
    }
    /// Changes whenever parameters or statistics do: what is computed of them, such as norms folded into weights, is old then.
    std::uint64_t version() const { return version_; }
    /// Whether somebody else than `me` changed them since a version.
    bool changed_by_others(const void* me, std::uint64_t since) const {
        return version_ != since && (me == nullptr || writer_ != me || written_since_ > since + 1);
    }

    /// From and to the host's arrays, in PyTorch's order. What is read from the host may change as soon as this returns.
    void upload_parameters(const float* parameters) {
        machine_->synchronize(); // the staging memory may be on its way
        float* const to = static_cast<float*>(staging_.address());
        std::fill_n(to, layout_.matrices() + layout_.vectors(), 0.0f);
        for_each_parameter([&](const stored_tensor& t, std::ptrdiff_t place) {
            t.for_each_element([&](std::ptrdiff_t host, std::ptrdiff_t device) { to[place + device] = parameters[t.host.offset + host]; });
        });
        machine_->upload(masters_.address(), to, masters_.bytes(), queue::compute);
        enqueue_copies();
        changed();
    }
    void upload_statistics(const float* statistics, int set) {
        machine_->synchronize();
        float* const to = static_cast<float*>(statistics_staging_.address());
        std::fill_n(to, layout_.statistics(), 0.0f);
        for_each_statistic([&](const stored_tensor& t) { std::copy_n(statistics + t.host.offset, t.size(), to + t.place); });
        machine_->upload(this->statistics(set), to, statistics_staging_.bytes(), queue::compute);
        changed();
    }
    /// Waits until it is done.
    void download_parameters(float* parameters) {
        const float* const from = static_cast<const float*>(staging_.address());
        machine_->synchronize();
        machine_->download(staging_.address(), masters_.address(), masters_.bytes(), queue::compute);
        machine_->synchronize();
        for_each_parameter([&](const stored_tensor& t, std::ptrdiff_t place) {
            t.for_each_element(
                [&](std::ptrdiff_t host, std::ptrdiff_t device) { parameters[t.host.offset + host] = from[place + device]; });
        });
    }
    void download_statistics(float* statistics, int set) {
        const float* const from = static_cast<const float*>(statistics_staging_.address());
        machine_->synchronize();
        machine_->download(statistics_staging_.address(), this->statistics(set), statistics_staging_.bytes(), queue::compute);
        machine_->synchronize();
        for_each_statistic([&](const stored_tensor& t) { std::copy_n(from + t.place, t.size(), statistics + t.host.offset); });
    }

    /// From the floats of the matrices to what layers read.
    void enqueue_copies() {
        if constexpr (has_copies) {
            const std::ptrdiff_t size = layout_.matrices();
            if (size == 0) return;
            machine_->launch(kernel::copy<float, stored, 8>{{1, 1, 1, static_cast<kernel::u32>(size)},
                                                            {static_cast<const float*>(masters_.address()), size},
                                                            {static_cast<stored*>(copies_.address()), size},
                                                            false});
        }
    }

private:
    static std::size_t floats(std::ptrdiff_t count) { return static_cast<std::size_t>(count) * sizeof(float); }

    /// f(tensor, its place in the masters).
    template <class F>
    void for_each_parameter(F f) const {
        for (const stored_tensor& t : layout_.tensors())
            if (t.what != stored_tensor::kind::statistic) f(t, t.place + (t.what == stored_tensor::kind::vector ? layout_.matrices() : 0));
    }
    template <class F>
    void for_each_statistic(F f) const {
        for (const stored_tensor& t : layout_.tensors())
            if (t.what == stored_tensor::kind::statistic) f(t);
    }

    Machine* machine_;
    parameter_layout layout_;
    typename Machine::memory masters_, copies_, statistics_, constants_;
    typename Machine::host_memory staging_, statistics_staging_;
    std::uint64_t version_ = 1, written_since_ = 1; ///< since: the first of the last writer's changes that nobody else's followed
    const void* writer_ = nullptr;
};

/// The gradients of the parameters from a stage on, on a device: of matrices in the type of the layers, as cuDNN gives them, of vectors in
/// floats. Each tensor lies there as its master does.
template <class Machine, precision P>
class gradient_store {
public:
    using stored = stored_type<P>;

    gradient_store(Machine& m, const parameter_layout& l, int first_stage) : machine_{&m}, layout_{&l} {
        std::ptrdiff_t first[2] = {l.matrices(), l.vectors()};
        for (const stored_tensor& t : l.tensors())
            if (t.what != stored_tensor::kind::statistic && t.owner >= first_stage) {
                std::ptrdiff_t& place = first[static_cast<std::size_t>(t.what)];
                place = std::min(place, t.place);
            }
        first_matrix_ = first[0];
        first_vector_ = first[1];
        first_stage_ = first_stage;
        matrices_ = m.allocate(static_cast<std::size_t>(l.matrices() - first_matrix_) * sizeof(stored));
        vectors_ = m.allocate(static_cast<std::size_t>(l.vectors() - first_vector_) * sizeof(float));
    }

    bool has(const stored_tensor& t) const { return t.what != stored_tensor::kind::statistic && t.owner >= first_stage_; }
    void* address(const stored_tensor& t) const {
        if (t.what == stored_tensor::kind::matrix) return static_cast<stored*>(matrices_.address()) + (t.place - first_matrix_);
        return static_cast<float*>(vectors_.address()) + (t.place - first_vector_);
    }

    /// To an array of gradients in PyTorch's order whose element 0 belongs to parameter `first`; of tensors for which `wanted(tensor)`. Waits
    /// until it is done. For tests and for whoever looks: a step on the device needs no gradients on the host.
    template <class Wanted>
    void download(float* gradients, std::ptrdiff_t first, Wanted wanted) {
        std::vector<stored> matrices(matrices_.bytes() / sizeof(stored));
        std::vector<float> vectors(vectors_.bytes() / sizeof(float));
        machine_->download(matrices.data(), matrices_.address(), matrices_.bytes(), queue::compute);
        machine_->download(vectors.data(), vectors_.address(), vectors_.bytes(), queue::compute);
        machine_->synchronize();
        for (const stored_tensor& t : layout_->tensors()) {
            if (!has(t) || !wanted(t)) continue;
            const bool matrix = t.what == stored_tensor::kind::matrix;
            t.for_each_element([&](std::ptrdiff_t host, std::ptrdiff_t device) {
                gradients[t.host.offset - first + host] =
                    matrix ? kernel::to_float(matrices[static_cast<std::size_t>(t.place - first_matrix_ + device)])
                           : vectors[static_cast<std::size_t>(t.place - first_vector_ + device)];
            });
        }
    }

private:
    Machine* machine_;
    const parameter_layout* layout_;
    std::ptrdiff_t first_matrix_ = 0, first_vector_ = 0;
    int first_stage_ = 0;
    typename Machine::memory matrices_, vectors_;
};

} // namespace umsrep::cuda
