// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <numeric>
#include <vector>

#include <umsrep/backend/cuda/kernel/class_loss.cuh>
#include <umsrep/backend/cuda/kernel/element_loss.cuh>
#include <umsrep/backend/cuda/kernel/overlap_loss.cuh>
#include <umsrep/loss/bce.hpp>
#include <umsrep/loss/charbonnier.hpp>
#include <umsrep/loss/cross_entropy.hpp>
#include <umsrep/loss/dice.hpp>
#include <umsrep/loss/dice_bce.hpp>
#include <umsrep/loss/focal.hpp>
#include <umsrep/loss/l1.hpp>
#include <umsrep/loss/l2.hpp>
#include <umsrep/train/cuda/arranged_memory.hpp>
#include <umsrep/train/cuda/loss_work.hpp>

/// `enqueue(machine, loss, work, memory)` gives a device the kernels of a loss: its value and its gradient. There is one for every loss of
/// umsrep/loss; those of structural similarity are in similarity_losses.hpp. A loss of one's own needs one, too.
namespace umsrep::cuda {
namespace detail {

template <class T>
kernel::loss_share* share_among_present(auto& machine, const loss_work<T>& w, double each, arranged_memory& memory) {
    auto* const share = memory.take<kernel::loss_share>(1);
    machine.launch(kernel::share_of_present{w.e.n, each, w.present, w.factors, share});
    return share;
}

/// A loss that is a mean over elements.
template <class F, class T>
void enqueue_elements(auto& machine, const F& f, const loss_work<T>& w, arranged_memory& memory) {
    const auto* const share = share_among_present(machine, w, static_cast<double>(w.e.plane()) * w.e.c, memory);
    const kernel::two_steps step = kernel::cut(w.e.size(), loss_piece);
    auto* const sums = memory.take<kernel::loss_sum>(step.count);
    machine.launch(kernel::element_loss<F, T>{f, w.e, step, w.logits, w.target, w.present, share, w.gradient, sums});
    machine.launch(kernel::loss_total{step.count, sums, share, w.report});
}

/// Dice and cross-entropy beside it.
template <class T>
void enqueue_overlap(auto& machine, const kernel::overlap_options& options, const loss_work<T>& w, arranged_memory& memory) {
    const auto* const share = share_among_present(machine, w, w.e.c, memory);
    const kernel::two_steps step = kernel::cut(w.e.plane(), loss_piece);
    const std::size_t planes = std::size_t{w.e.n} * w.e.c;
    auto* const sums = memory.take<kernel::overlap_sums>(planes * step.count);
    auto* const overlaps = memory.take<kernel::plane_overlap>(planes);
    auto* const values = memory.take<kernel::loss_sum>(planes);
    machine.launch(kernel::overlap_pieces<T>{options, w.e, step, w.logits, w.target, w.present, sums});
    machine.launch(kernel::overlap_planes{options, w.e, step.count, sums, w.present, share, overlaps, values});
    machine.launch(kernel::loss_total{static_cast<unsigned>(planes), values, share, w.report});
    if (w.gradient.data != nullptr)
        machine.launch(kernel::overlap_gradient<T>{options, w.e, w.logits, w.target, w.present, share, overlaps, w.gradient});
}

/// What is common to losses of classes: the share of a label, by the sum of the weights that `weights` names. `make(share, values)`: the
/// loss's own body, which leaves a value for each pixel.
template <class T, class Make>
void enqueue_classes(auto& machine, const loss_work<T>& w, const kernel::labels& weights, arranged_memory& memory, Make make) {
    const kernel::two_steps step = kernel::cut(w.e.pixels(), loss_piece);
    auto* const sums = memory.take<kernel::loss_sum>(step.count);
    auto* const share = memory.take<kernel::loss_share>(1);
    auto* const values = memory.take<float>(static_cast<std::size_t>(w.e.pixels()));
    machine.launch(kernel::label_weights{weights, w.e, step, sums});
    machine.launch(kernel::share_of_labels{step.count, sums, w.factors, share});
    machine.launch(make(share, values));
    machine.launch(kernel::sum_values{w.e.pixels(), step, values, sums});
    machine.launch(kernel::loss_total{step.count, sums, share, w.report});
}

} // namespace detail

template <class T>
void enqueue(auto& machine, const loss::l1&, const loss_work<T>& w, arranged_memory& memory) {
    detail::enqueue_elements(machine, kernel::l1_loss{}, w, memory);
}
template <class T>
void enqueue(auto& machine, const loss::l2&, const loss_work<T>& w, arranged_memory& memory) {
    detail::enqueue_elements(machine, kernel::l2_loss{}, w, memory);
}
template <class T>
void enqueue(auto& machine, const loss::charbonnier& l, const loss_work<T>& w, arranged_memory& memory) {
    detail::enqueue_elements(machine, kernel::charbonnier_loss{static_cast<float>(l.epsilon)}, w, memory);
}
template <class T>
void enqueue(auto& machine, const loss::bce& l, const loss_work<T>& w, arranged_memory& memory) {
    detail::enqueue_elements(machine, kernel::bce_loss{memory.constant(l.pos_weight)}, w, memory);
}
template <class T>
void enqueue(auto& machine, const loss::focal& l, const loss_work<T>& w, arranged_memory& memory) {
    const float yes = l.alpha ? static_cast<float>(*l.alpha) : 1.0f, no = l.alpha ? static_cast<float>(1 - *l.alpha) : 1.0f;
    detail::enqueue_elements(machine, kernel::focal_loss{static_cast<float>(l.gamma), yes, no}, w, memory);
}

template <class T>
void enqueue(auto& machine, const loss::dice& l, const loss_work<T>& w, arranged_memory& memory) {
    detail::enqueue_overlap(machine, {static_cast<float>(l.smooth), 1, 0, {nullptr}}, w, memory);
}
template <class T>
void enqueue(auto& machine, const loss::dice_bce& l, const loss_work<T>& w, arranged_memory& memory) {
    detail::enqueue_overlap(machine,
                            {static_cast<float>(l.smooth),
                             static_cast<float>(l.dice_weight),
                             static_cast<float>(l.bce_weight),
                             {memory.constant(l.pos_weight)}},
                            w, memory);
}

template <class T>
void enqueue(auto& machine, const loss::cross_entropy& l, const loss_work<T>& w, arranged_memory& memory) {
    const double classes = w.e.c;
    const double all = l.class_weights.empty() ? classes : std::accumulate(l.class_weights.begin(), l.class_weights.end(), 0.0);
    const kernel::labels label{w.target, w.present, w.e.c, l.ignore_label, memory.constant(l.class_weights)};
    detail::enqueue_classes(machine, w, label, memory, [&](const kernel::loss_share* share, float* values) {
        return kernel::cross_entropy<T>{label,
                                        static_cast<float>(1 - l.label_smoothing),
                                        static_cast<float>(l.label_smoothing / classes),
                                        static_cast<float>(all),
                                        w.e,
                                        w.logits,
                                        share,
                                        values,
                                        w.gradient};
    });
}
template <class T>
void enqueue(auto& machine, const loss::focal_cross_entropy& l, const loss_work<T>& w, arranged_memory& memory) {
    const kernel::labels label{w.target, w.present, w.e.c, l.ignore_label, memory.constant(l.class_weights)};
    kernel::labels plain = label; // its share is over the number of labels
    plain.class_weights = nullptr;
    detail::enqueue_classes(machine, w, plain, memory, [&](const kernel::loss_share* share, float* values) {
        return kernel::focal_cross_entropy<T>{label, static_cast<float>(l.gamma), w.e, w.logits, share, values, w.gradient};
    });
}

} // namespace umsrep::cuda
