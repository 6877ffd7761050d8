// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <umsrep/loss/detail/check.hpp>
#include <umsrep/loss/detail/structural_similarity.hpp>
#include <umsrep/loss/target.hpp>

namespace umsrep::loss {

/// 1 - SSIM, the mean over the channels of the present samples. Output and target (N, C, H, W), images in [0, 1], no side below 11.
/// Gaussian window of 11 x 11, sigma 1.5, K1 = 0.01, K2 = 0.03, only where the window lies inside the image. Source: Wang et al.,
/// "Image quality assessment: from error visibility to structural similarity", IEEE TIP 13(4), 2004. Throws `shape_mismatch` for
/// smaller images.
struct ssim {
    static constexpr target_kind target = target_kind::image;
    static constexpr auto output = output_activation::none;

    friend bool operator==(const ssim&, const ssim&) = default;
    static constexpr shape target_shape(shape output_shape) { return output_shape; }
    static constexpr std::size_t scratch_size(int n, shape s, int threads) { return detail::similarity_scratch(n, s, threads); }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, workspace room = {}) const {
        detail::check_similarity("ssim", logits.s, 1);
        const detail::arguments<T> a{logits, targets, present, weight, gradient, room};
        a.check("ssim", target_shape(logits.s), scratch_size(logits.n, logits.s, room.threads()));
        return detail::similarity_over_present(a, 1, 0.0, weight, detail::finite{"ssim"});
    }
};

} // namespace umsrep::loss
