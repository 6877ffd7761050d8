// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <umsrep/backend/cuda/parameter_layout.hpp>
#include <umsrep/optim/layer_decay.hpp>
#include <umsrep/train/options.hpp>
#include <umsrep/train/trained_parts.hpp>

namespace umsrep::cuda {

/// A tensor that an optimiser moves.
struct trained_tensor {
    const stored_tensor* tensor;
    double lr_scale, decay_scale; ///< of its parameter group
};

/// The tensors that train, which are the last ones of all matrices and of all vectors, and where arrays of a float for each of their
/// elements (moments, averages) have them: first the matrices, then the vectors, as the masters lie.
class trained_tensors {
public:
    /// `l` must outlive this.
    trained_tensors(const graph& g, const parameter_layout& l, int first_stage, const train_options& o)
        : first_matrix_{l.matrices()}, first_vector_{l.vectors()}, matrices_{l.matrices()}, vectors_{l.vectors()}, first_{g.parameters} {
        const auto groups = optim::layer_decay(depths_of(g, first_stage, o.decay_norms_and_biases), o.layer_decay);
        for (const stored_tensor& t : l.tensors()) {
            if (t.what == stored_tensor::kind::statistic || t.owner < first_stage) continue;
            std::ptrdiff_t& first = is_matrix(t) ? first_matrix_ : first_vector_;
            first = std::min(first, t.place);
            first_ = std::min(first_, t.host.offset);
            const auto group = std::find_if(groups.begin(), groups.end(), [&](const optim::parameter_group& of) {
                return of.begin <= t.host.offset && t.host.offset < of.end;
            });
            all_.push_back({&t, group->lr_scale, group->decay_scale});
        }
        matrices_ -= first_matrix_;
        vectors_ -= first_vector_;
    }

    static bool is_matrix(const stored_tensor& t) { return t.what == stored_tensor::kind::matrix; }
    const std::vector<trained_tensor>& all() const { return all_; }

    /// Elements of such an array, and of the matrices in it, with the room between tensors.
    std::ptrdiff_t size() const { return matrices_ + vectors_; }
    std::ptrdiff_t matrices() const { return matrices_; }
    std::ptrdiff_t vectors() const { return vectors_; }
    /// Of a tensor's first element in it.
    std::ptrdiff_t place(const stored_tensor& t) const {
        return is_matrix(t) ? t.place - first_matrix_ : matrices_ + t.place - first_vector_;
    }
    /// Among all matrices, and among all vectors, of the first that trains.
    std::ptrdiff_t first_matrix() const { return first_matrix_; }
    std::ptrdiff_t first_vector() const { return first_vector_; }

    /// The first parameter that trains, as the host counts them.
    std::ptrdiff_t first_parameter() const { return first_; }

    /// f(parameter as the host counts them from the first that trains, element of such an array) for each.
    template <class F>
    void for_each_element(F f) const {
        for (const trained_tensor& t : all_) {
            const std::ptrdiff_t host = t.tensor->host.offset - first_, device = place(*t.tensor);
            t.tensor->for_each_element([&](std::ptrdiff_t h, std::ptrdiff_t d) {
                f(static_cast<std::size_t>(host + h), static_cast<std::size_t>(device + d));
            });
        }
    }

private:
    std::vector<trained_tensor> all_;
    std::ptrdiff_t first_matrix_, first_vector_, matrices_, vectors_, first_;
};

} // namespace umsrep::cuda
