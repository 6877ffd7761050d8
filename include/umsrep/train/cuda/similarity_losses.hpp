// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <umsrep/backend/cuda/kernel/copy.cuh>
#include <umsrep/backend/cuda/kernel/similarity_loss.cuh>
#include <umsrep/loss/l1_ms_ssim.hpp>
#include <umsrep/loss/ms_ssim.hpp>
#include <umsrep/loss/ssim.hpp>
#include <umsrep/train/cuda/losses.hpp>

namespace umsrep::cuda {
namespace detail {

/// alpha times the loss of structural similarity over `scales`, and 1 - alpha times the mean absolute error.
template <class T>
void enqueue_similarity(auto& machine, int scales, double floor, double alpha, const loss_work<T>& w, arranged_memory& memory) {
    const auto planes = static_cast<unsigned>(w.e.n * w.e.c), used = static_cast<unsigned>(scales);
    const bool differentiates = w.gradient.data != nullptr;
    kernel::gaussian window;
    for (unsigned k = 0; k < kernel::window_taps; ++k) window.at[k] = static_cast<float>(loss::detail::ssim_taps()[k]);
    kernel::similarity_options options{used, {}, floor, alpha};
    double weights = 0;
    for (unsigned j = 0; j < used; ++j) weights += loss::detail::ms_ssim_weights[j];
    for (unsigned j = 0; j < used; ++j) options.exponent[j] = loss::detail::ms_ssim_weights[j] / weights;

    const auto* const share = share_among_present(machine, w, w.e.c, memory);
    kernel::scale_planes scale[kernel::most_scales];
    const float *xs[kernel::most_scales], *ys[kernel::most_scales];
    float* gradients[kernel::most_scales] = {};
    const auto planes_of = [&](const kernel::scale_planes& s) { return memory.take<float>(std::size_t{s.count} * s.size()); };
    scale[0] = {planes, w.e.h, w.e.w};
    float* const finest = planes_of(scale[0]);
    machine.launch(kernel::to_planes<T, float>{w.e, w.logits, finest});
    xs[0] = finest;
    ys[0] = w.target;
    auto* const errors = memory.take<kernel::loss_sum>(planes);
    machine.launch(kernel::plane_errors{w.e, xs[0], ys[0], w.present, errors});

    kernel::judge_planes judge{options,
                               w.e,
                               {},
                               {},
                               {},
                               errors,
                               w.present,
                               share,
                               memory.take<float>(std::size_t{planes} * kernel::most_scales),
                               memory.take<kernel::loss_sum>(planes)};
    // Of one scale after the other, so as large as the finest needs.
    auto* const rows = memory.take<kernel::window_moments>(std::size_t{planes} * scale[0].rows());
    auto* const slopes =
        differentiates ? memory.take<kernel::similarity_slopes>(std::size_t{planes} * scale[0].inner()) : nullptr;
    auto* const spread = differentiates ? memory.take<kernel::similarity_slopes>(std::size_t{planes} * scale[0].rows()) : nullptr;
    for (unsigned j = 0; j < used; ++j) {
        if (j > 0) {
            scale[j] = scale[j - 1].half();
            float *const x = planes_of(scale[j]), *const y = planes_of(scale[j]);
            machine.launch(kernel::halve_planes{scale[j - 1], xs[j - 1], x});
            machine.launch(kernel::halve_planes{scale[j - 1], ys[j - 1], y});
            xs[j] = x;
            ys[j] = y;
        }
        const kernel::scale_planes& s = scale[j];
        const kernel::two_steps step = kernel::cut(s.inner(), loss_piece);
        auto* const means = memory.take<double>(std::size_t{planes} * step.count);
        machine.launch(kernel::smooth_rows{s, window, xs[j], ys[j], rows});
        machine.launch(kernel::compare_planes{s, step, window, j + 1 == used, rows, slopes, means});
        judge.pieces[j] = step.count;
        judge.inner[j] = s.inner();
        judge.means[j] = means;
        if (!differentiates) continue;
        gradients[j] = planes_of(s);
        machine.launch(kernel::spread_columns{s, window, slopes, spread});
        machine.launch(kernel::spread_rows{s, window, spread, xs[j], ys[j], gradients[j]});
    }
    machine.launch(judge);
    machine.launch(kernel::loss_total{planes, judge.values, share, w.report});
    if (!differentiates) return;
    for (unsigned j = used; j-- > 1;)
        machine.launch(kernel::fold_scales{scale[j], j, judge.factors, j + 1 < used ? gradients[j + 1] : nullptr, gradients[j]});
    const kernel::fold_scales last{scale[0], 0, judge.factors, used > 1 ? gradients[1] : nullptr, gradients[0]};
    machine.launch(kernel::similarity_gradient<T>{w.e, last, static_cast<float>(1 - alpha), xs[0], ys[0], errors, w.present,
                                                  share, w.gradient});
}

inline shape shape_from(const kernel::extents& e) {
    return {static_cast<int>(e.c), static_cast<int>(e.h), static_cast<int>(e.w)};
}

} // namespace detail

template <class T>
void enqueue(auto& machine, const loss::ssim&, const loss_work<T>& w, arranged_memory& memory) {
    detail::enqueue_similarity(machine, 1, 0, 1, w, memory);
}
template <class T>
void enqueue(auto& machine, const loss::ms_ssim& l, const loss_work<T>& w, arranged_memory& memory) {
    const int scales = loss::detail::checked_scales("ms_ssim", l.scales, l.floor, detail::shape_from(w.e));
    detail::enqueue_similarity(machine, scales, l.floor, 1, w, memory);
}
template <class T>
void enqueue(auto& machine, const loss::l1_ms_ssim& l, const loss_work<T>& w, arranged_memory& memory) {
    const int scales = loss::detail::checked_scales("l1_ms_ssim", l.scales, l.floor, detail::shape_from(w.e));
    detail::enqueue_similarity(machine, scales, l.floor, l.alpha, w, memory);
}

} // namespace umsrep::cuda
