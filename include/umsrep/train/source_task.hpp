// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <umsrep/core/error.hpp>
#include <umsrep/core/fixed_string.hpp>
#include <umsrep/data/dataset.hpp>
#include <umsrep/data/noise.hpp>
#include <umsrep/data/resample.hpp>
#include <umsrep/loss/dice_bce.hpp>
#include <umsrep/loss/l1.hpp>
#include <umsrep/network/description.hpp>
#include <umsrep/network/to_image.hpp>

namespace umsrep {

/// What an encoder may be pre-trained by: the head that stands on it meanwhile, called "source", and the transform that gives a sample
/// the input and the target of that head. Its `name` becomes part of the encoder's, as in UMS-Rep^CXR_Denoising.
template <class S>
concept source_task = std::default_initializable<S> && std::copyable<S> && data::transform<S> && requires {
    { S::name } -> std::convertible_to<std::string_view>;
    typename S::head;
};

/// Ready source tasks. `Body` is the decoder: `to_image<>` fits any encoder whose sizes divide each other. Images are float in [0, 1].
namespace source {

/// Noise is taken from the image; the target is the image as it was. The default of UMS-Rep.
template <class Body = to_image<>>
struct denoising {
    static constexpr std::string_view name = "Denoising";
    static constexpr bool records = true;
    using head = umsrep::head<"source", seq<Body, add_image>, loss::l1>;

    data::range sigma{0.02f, 0.15f}; ///< of the noise, drawn per sample, in units of the full grey scale

    void operator()(data::sample& s, random_stream& random) const {
        data::gaussian_noise{.sigma = sigma, .head = "source"}(s, random);
    }
};

/// The image is shrunk `factor` times and blown up again; the target is the image as it was. Height and width must be multiples of it.
/// Dong et al., "Image super-resolution using deep convolutional networks", 2016.
template <class Body = to_image<>>
struct super_resolution {
    static constexpr std::string_view name = "SuperResolution";
    using head = umsrep::head<"source", seq<Body, add_image>, loss::l1>;

    int factor = 4;

    void operator()(data::sample& s, random_stream&) const {
        const shape image = data::shape_of(s.image);
        if (factor < 2 || image.h % factor != 0 || image.w % factor != 0)
            throw option_error("super-resolution of sample '" + s.id + "'", "a factor of 2 or more that divides " + data::to_string(image),
                               std::to_string(factor));
        data::tensor small = data::resized(s.image, image.h / factor, image.w / factor);
        s.set("source", std::exchange(s.image, data::resized(small, image.h, image.w)), data::label_kind::image);
    }
};

/// Square patches, drawn per sample, are painted over with the image's mean; the target is the image as it was. The loss is that of the
/// whole image: what is visible the skip connections bring, so that only what is hidden has to be learnt.
/// He et al., "Masked autoencoders are scalable vision learners", 2022; Pathak et al., "Context encoders", 2016.
template <class Body = to_image<>>
struct masked_reconstruction {
    static constexpr std::string_view name = "MaskedReconstruction";
    using head = umsrep::head<"source", Body, loss::l1>;

    int patch = 8;       ///< side, pixels; the last patch of a row or column may be smaller
    float hidden = 0.6f; ///< share of the patches

    void operator()(data::sample& s, random_stream& random) const {
        if (patch < 1 || !(hidden > 0 && hidden < 1))
            throw option_error("masked reconstruction", "patches of 1 pixel or more and a hidden share above 0 and below 1",
                               std::to_string(patch) + " and " + std::to_string(hidden));
        const shape image = data::shape_of(s.image);
        s.set("source", s.image, data::label_kind::image);
        for (int c = 0; c < image.c; ++c) {
            float* const plane = s.image.data() + c * image.plane();
            double sum = 0;
            for (std::ptrdiff_t i = 0; i < image.plane(); ++i) sum += plane[i];
            const auto mean = static_cast<float>(sum / static_cast<double>(image.plane()));
            random_stream patches = random; // the same in every channel
            for (int top = 0; top < image.h; top += patch)
                for (int left = 0; left < image.w; left += patch) {
                    if (patches.uniform() >= hidden) continue;
                    for (int y = top; y < std::min(top + patch, image.h); ++y)
                        std::fill(plane + std::ptrdiff_t{y} * image.w + left,
                                  plane + std::ptrdiff_t{y} * image.w + std::min(left + patch, image.w), mean);
                }
        }
    }
};

/// The masks that samples carry as label `Label`; (C, H, W) with `Channels` masks. Samples without one do not count.
template <fixed_string Label, int Channels = 1, class Body = to_image<16, Channels>>
struct segmentation {
    static constexpr std::string_view name = "Segmentation";
    using head = umsrep::head<"source", Body, loss::dice_bce>;

    void operator()(data::sample& s, random_stream&) const {
        if (const data::label* mask = s.find(Label)) s.set("source", data::tensor(mask->value), data::label_kind::mask);
    }
};

} // namespace source

} // namespace umsrep
