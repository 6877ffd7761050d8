// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <xtensor/xtensor.hpp>

#include <umsrep/core/error.hpp>
#include <umsrep/core/random.hpp>
#include <umsrep/data/sim/beer_lambert.hpp>
#include <umsrep/data/sim/photon_counting.hpp>
#include <umsrep/data/sim/pneumonia.hpp>
#include <umsrep/data/sim/range.hpp>
#include <umsrep/data/sim/stroke.hpp>
#include <umsrep/data/sim/thorax.hpp>
#include <umsrep/data/sim/value_noise.hpp>

namespace umsrep::sim {

struct chest_xray_options {
    int size = 128;                       ///< pixels of a side, 32 to 1024
    range photons{200.0f, 5000.0f};       ///< N0: photons per pixel without a patient; log-uniform
    range scatter_to_primary{0.3f, 1.0f}; ///< behind an anti-scatter grid
    range electronic_noise{1.0f, 3.0f};   ///< standard deviation, photons
};

/// One simulated frontal chest radiograph with everything that is true of it. Images are (1, size, size), float in [0, 1].
struct chest_xray {
    xt::xtensor<float, 3> clean;   ///< the display of the expected signal: no noise
    xt::xtensor<float, 3> noisy;   ///< the same ray for ray, photons counted
    xt::xtensor<float, 3> lungs;   ///< 1 in the lung fields (beside heart and mediastinum, above the domes), else 0
    xt::xtensor<float, 3> opacity; ///< share of the lung path turned to soft tissue, 0 outside of the lung fields
    finding kind = finding::normal;
    float cardiothoracic_ratio = 0;
    float photons = 0;                         ///< N0 of this image
    float display_black = 0, display_white = 0; ///< log signals -log(N / N0) that the display shows as 0 and as 1
};

namespace detail {

/// Where the image lies on the patient: a small rotation, shift and zoom.
struct projection {
    float cosine, sine, pixel, shift_x, shift_y, half; // pixel: cm per pixel; half: half the image's side in pixels

    static projection draw(int size, random_stream& draw) {
        const float angle = draw.uniform(-0.06f, 0.06f), field_of_view = draw.uniform(32.5f, 37.5f);
        const float shift_x = draw.uniform(-0.8f, 0.8f), shift_y = draw.uniform(-1.6f, 0.4f);
        return {std::cos(angle), std::sin(angle), field_of_view / static_cast<float>(size), shift_x, shift_y,
                0.5f * static_cast<float>(size)};
    }
    point to_patient(float column, float row) const {
        const float x = (column - half) * pixel, y = (row - half) * pixel;
        return {cosine * x + sine * y + shift_x, cosine * y - sine * x + shift_y};
    }
    point to_image(point p) const {
        const float x = p.x - shift_x, y = p.y - shift_y;
        return {(cosine * x - sine * y) / pixel + half, (cosine * y + sine * x) / pixel + half};
    }
};

/// Adds tubes to maps of path length. What is thinner than the pixels is drawn wider and thinner, so that its volume stays.
class tube_painter {
public:
    tube_painter(int size, const projection& view) : view_{view}, stroke_{size} {}

    /// `profile(t)`: path length at t in [0, 1], the distance to the middle line over the radius. `combine(pixel, path)` takes it.
    template <class Profile, class Combine>
    void paint(const tube& t, Profile&& profile, Combine&& combine) {
        line_.clear();
        for (const point p : t.line) line_.push_back(view_.to_image(p));
        const float radius = t.radius / view_.pixel, drawn = std::max(radius, 0.75f);
        stroke_.paint(line_, drawn, [&](std::size_t pixel, float distance) {
            combine(pixel, profile(distance / drawn) * (radius / drawn));
        });
    }

private:
    projection view_;
    stroke stroke_;
    std::vector<point> line_;
};

inline std::vector<float> paint_bones(const thorax& chest, int size, const projection& view) {
    std::vector<float> bone(static_cast<std::size_t>(size) * static_cast<std::size_t>(size));
    const auto add = [&](std::size_t pixel, float path) { bone[pixel] += chest.bone * path; };
    // a tube with a hard shell: bright rims, a soft edge of one fifth
    const auto shell = [](float path) {
        return [path](float t) { return path * (0.62f + 0.38f * t * t) * rounded((1.0f - t) / 0.35f); };
    };
    tube_painter painter{size, view};
    for (const bool left : {false, true}) {
        for (int number = 0; number < thorax::ribs; ++number) {
            tube back = chest.rib(number, left), front{{}, back.radius};
            const std::size_t widest = back.line.size() * 5 / 8;
            front.line.assign(back.line.begin() + static_cast<std::ptrdiff_t>(widest), back.line.end());
            back.line.resize(widest + 1);
            painter.paint(back, shell(0.95f), add);
            painter.paint(front, shell(0.65f), add); // flatter in front
        }
        painter.paint(chest.clavicle(left), shell(1.0f), add);
        for (const tube& t : chest.shoulder_bones(left)) painter.paint(t, shell(0.8f), add);
    }
    return bone;
}

inline std::vector<float> paint_vessels(const thorax& chest, int size, const projection& view, random_stream& draw) {
    std::vector<float> blood(static_cast<std::size_t>(size) * static_cast<std::size_t>(size));
    tube_painter painter{size, view};
    for (const tube& vessel : vessel_tree(chest, draw)) {
        const auto round = [&](float t) { return 2.0f * vessel.radius * std::sqrt(1.0f - t * t); };
        painter.paint(vessel, round, [&](std::size_t pixel, float path) { blood[pixel] = std::max(blood[pixel], path); });
    }
    return blood;
}

/// Linear display of log signals, as an automatic window would: the lungs' 2nd percentile near black, the body's 99th near white.
inline std::pair<float, float> display_window(std::vector<float> lung_signal, std::vector<float> body_signal, random_stream& draw) {
    const auto percentile = [](std::vector<float>& values, double share) {
        const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
        std::ranges::nth_element(values, at);
        return *at;
    };
    const float dark = percentile(lung_signal, 0.02), bright = percentile(body_signal, 0.99), width = bright - dark;
    return {dark - width * draw.uniform(0.05f, 0.30f), bright + width * draw.uniform(0.0f, 0.12f)};
}

inline void check(const chest_xray_options& o) {
    const auto text = [](range r) { return std::to_string(r.low) + " to " + std::to_string(r.high); };
    if (o.size < 32 || o.size > 1024) throw option_error("chest X-ray size", "32 to 1024", std::to_string(o.size));
    const auto ordered = [&](const char* name, range r, float least) {
        if (!(r.low >= least && r.low <= r.high && std::isfinite(r.high)))
            throw option_error(name, "an ordered range from " + std::to_string(least) + " on", text(r));
    };
    ordered("chest X-ray photons", o.photons, 1.0f);
    ordered("chest X-ray scatter_to_primary", o.scatter_to_primary, 0.0f);
    ordered("chest X-ray electronic_noise", o.electronic_noise, 0.0f);
}

} // namespace detail

/// Simulates radiograph `index` of the series `s`: a parametric chest, path lengths of soft tissue, lung and bone, Beer-Lambert
/// over three energies, scatter, photon counting, logarithm, display window. A pure function of its arguments: the same image on
/// any thread, in any order; at another size the same patient. `noise` overrides the stream the noise is drawn from.
/// @throws option_error
inline chest_xray simulate_chest_xray(const chest_xray_options& options, seed s, std::uint64_t index, finding kind,
                                      random_stream noise) {
    detail::check(options);
    const int size = options.size;
    const auto pixels = static_cast<std::size_t>(size) * static_cast<std::size_t>(size);

    random_stream anatomy{s, "chest anatomy", index}, vessels{s, "chest vessels", index}, view_draw{s, "chest view", index};
    random_stream exposure{s, "chest exposure", index};
    const thorax chest = thorax::draw(anatomy);
    const auto view = detail::projection::draw(size, view_draw);
    const pneumonia disease{kind, chest, s, index, view.pixel};
    const fractal_noise tissue{s, "chest tissue", index, 6.0f, 3, 24.0f, view.pixel};
    const fractal_noise parenchyma{s, "chest parenchyma", index, 1.6f, 3, 16.0f, view.pixel};
    const std::vector<float> bone = detail::paint_bones(chest, size, view);
    const std::vector<float> blood = detail::paint_vessels(chest, size, view, vessels);

    chest_xray result;
    result.kind = kind;
    result.cardiothoracic_ratio = chest.cardiothoracic_ratio();
    const std::array<std::size_t, 3> shape{1, static_cast<std::size_t>(size), static_cast<std::size_t>(size)};
    for (auto* image : {&result.clean, &result.noisy, &result.lungs, &result.opacity}) *image = xt::zeros<float>(shape);

    // path lengths and primary photons
    std::vector<float> primary(pixels, 1.0f);
    std::vector<bool> in_body(pixels);
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
        const point p = view.to_patient(static_cast<float>(pixel % shape[2]) + 0.5f, static_cast<float>(pixel / shape[2]) + 0.5f);
        const float body = chest.body_path(p) * (1.0f + 0.05f * tissue(p.x, p.y));
        if (body <= 0.0f) continue;
        in_body[pixel] = true;
        const thorax::lung_depth depth = chest.lung(p);
        float lung = std::min(chest.lung_path(depth), 0.8f * body);
        float solid = 0.0f; // soft tissue in the place of lung
        if (lung > 0.0f) {
            lung *= 1.0f + 0.05f * parenchyma(p.x, p.y);
            solid = std::min(blood[pixel], 0.5f * lung);
        }
        if (depth.inside()) {
            const float share = disease(p);
            result.lungs.data()[pixel] = 1.0f;
            result.opacity.data()[pixel] = share;
            solid += share * (lung - solid);
        }
        ray_path path;
        path.bone = bone[pixel] + chest.spine_path(p);
        path.lung = lung - solid;
        path.soft = std::max(0.0f, body - path.lung - path.bone - chest.air_path(p));
        primary[pixel] = transmission(path);
    }

    // expected signal: primary and scatter (a tent of about 5 cm)
    const float ratio = options.scatter_to_primary.draw(exposure);
    const auto scattered = scatter(primary, size, ratio, std::max(1, static_cast<int>(2.5f / view.pixel)));
    result.photons = options.photons.low * std::pow(options.photons.high / options.photons.low, exposure.uniform());
    const float electronic = options.electronic_noise.draw(exposure);
    std::vector<float> signal(pixels), lung_signal, body_signal;
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
        signal[pixel] = -std::log(primary[pixel] + scattered[pixel]);
        if (in_body[pixel]) body_signal.push_back(signal[pixel]);
        if (result.lungs.data()[pixel] > 0.0f) lung_signal.push_back(signal[pixel]);
    }
    std::tie(result.display_black, result.display_white) = detail::display_window(std::move(lung_signal), std::move(body_signal), exposure);

    const float scale = 1.0f / (result.display_white - result.display_black);
    const auto display = [&](float value) { return std::clamp((value - result.display_black) * scale, 0.0f, 1.0f); };
    const auto incident = static_cast<double>(result.photons);
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
        const double expected = incident * static_cast<double>(primary[pixel] + scattered[pixel]);
        result.clean.data()[pixel] = display(signal[pixel]);
        result.noisy.data()[pixel] =
            display(static_cast<float>(log_signal(detect(expected, static_cast<double>(electronic), noise), incident)));
    }
    return result;
}

/// The same with the noise that belongs to (s, index).
inline chest_xray simulate_chest_xray(const chest_xray_options& options, seed s, std::uint64_t index, finding kind) {
    return simulate_chest_xray(options, s, index, kind, random_stream{s, "chest photons", index});
}

} // namespace umsrep::sim
