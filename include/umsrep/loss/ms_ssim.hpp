// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <umsrep/loss/detail/check.hpp>
#include <umsrep/loss/detail/structural_similarity.hpp>
#include <umsrep/loss/target.hpp>

namespace umsrep::loss {
namespace detail {

/// The number of scales asked for, or as many as fit when 0; throws when the image has no room for them.
inline int checked_scales(std::string_view loss, int asked, double floor, shape s) {
    constexpr int most = static_cast<int>(ms_ssim_weights.size());
    if (asked < 0 || asked > most) throw option_error(std::string{loss} + " scales", "0 to " + text(most), text(asked));
    if (!(floor > 0.0 && floor < 1.0)) throw option_error(std::string{loss} + " floor", "a value between 0 and 1", text(floor));
    const int scales = asked > 0 ? asked : scales_that_fit(s);
    check_similarity(loss, s, scales > 0 ? scales : 1);
    return scales;
}

} // namespace detail

/// 1 - MS-SSIM, the mean over the channels of the present samples. Output and target (N, C, H, W), images in [0, 1]. Source: Wang,
/// Simoncelli, Bovik, "Multiscale structural similarity for image quality assessment", Asilomar 2003: contrast-structure of every
/// scale and luminance of the coarsest, to the powers 0.0448, 0.2856, 0.3001, 0.2363, 0.1333; scales by means of 2 x 2 blocks.
///
/// A power of a negative similarity does not exist and has no bounded slope near 0, so a scale's mean counts as `floor` when it is
/// below; then that scale has no gradient and the others keep theirs. Throws `shape_mismatch` naming the smallest side.
struct ms_ssim {
    static constexpr target_kind target = target_kind::image;
    static constexpr auto output = output_activation::none;

    int scales = 0;      ///< 1 to 5; 0: as many of the five as the image has room for (5 from 176 pixels, 4 from 88, 3 from 44),
                         ///< their weights divided by their sum
    double floor = 1e-3; ///< the least similarity of a scale

    friend bool operator==(const ms_ssim&, const ms_ssim&) = default;
    static constexpr shape target_shape(shape output_shape) { return output_shape; }
    static constexpr std::size_t scratch_size(int n, shape s, int threads) { return detail::similarity_scratch(n, s, threads); }

    template <class T>
    double evaluate(tensor_view<const T> logits, tensor_view<const float> targets, std::span<const std::uint8_t> present,
                    double weight, tensor_view<std::type_identity_t<T>> gradient, workspace room = {}) const {
        const int used = detail::checked_scales("ms_ssim", scales, floor, logits.s);
        const detail::arguments<T> a{logits, targets, present, weight, gradient, room};
        a.check("ms_ssim", target_shape(logits.s), scratch_size(logits.n, logits.s, room.threads()));
        return detail::similarity_over_present(a, used, floor, weight, detail::finite{"ms_ssim"});
    }
};

} // namespace umsrep::loss
