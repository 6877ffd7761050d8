// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <umsrep/loss/l1.hpp>
#include <umsrep/loss/ms_ssim.hpp>

namespace umsrep::loss {

/// alpha * (1 - MS-SSIM) + (1 - alpha) * mean absolute error: structure from the first, brightness and colour from the second.
/// Output and target (N, C, H, W), images in [0, 1]. Source: Zhao, Gallo, Frosio, Kautz, "Loss functions for image restoration with
/// neural networks", IEEE TCI 3(1), 2017, alpha = 0.84.
///
/// Two departures from the paper: MS-SSIM is Wang's pyramid (`ms_ssim`) instead of five Gaussians at full resolution, and the
/// absolute error is the plain mean; the paper's Gaussian weighting of it has sum 1 at every pixel and differs only near the border.
struct l1_ms_ssim {
    static constexpr target_kind target = target_kind::image;
    static constexpr auto output = output_activation::none;

    double alpha = 0.84; ///< in [0, 1]
    int scales = 0;      ///< as in `ms_ssim`
    double floor = 1e-3; ///< as in `ms_ssim`

    friend bool operator==(const l1_ms_ssim&, const l1_ms_ssim&) = default;
    static constexpr shape target_shape(shape output_shape) { return output_shape; }
    static constexpr std::size_t scratch_size(int n, shape s, int threads) { return detail::similarity_scratch(n, s, threads); }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, workspace room = {}) const {
        if (!(alpha >= 0.0 && alpha <= 1.0)) throw option_error("l1_ms_ssim alpha", "a value in [0, 1]", detail::text(alpha));
        const int used = detail::checked_scales("l1_ms_ssim", scales, floor, logits.s);
        const detail::arguments<T> a{logits, targets, present, weight, gradient, room};
        a.check("l1_ms_ssim", target_shape(logits.s), scratch_size(logits.n, logits.s, room.threads()));
        const detail::finite check{"l1_ms_ssim"};
        const double structure = detail::similarity_over_present(a, used, floor, weight * alpha, check);
        detail::arguments<T> of_error = a;
        of_error.weight = weight * (1.0 - alpha);
        const double error = detail::sum_over_present(of_error, a.share(logits.s.size()), detail::write::add, check, detail::l1_element{});
        return alpha * structure + (1.0 - alpha) * error;
    }
};

} // namespace umsrep::loss
