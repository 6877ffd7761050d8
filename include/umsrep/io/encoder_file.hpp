// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <umsrep/data/resample.hpp>
#include <umsrep/io/safetensors.hpp>
#include <umsrep/io/weights.hpp>
#include <umsrep/network/encoder_description.hpp>
#include <umsrep/train/pretrain.hpp>

/// Files of modality encoders: what stage 1 hands to stage 2.
namespace umsrep::io {

/// How far the features of the golden sample may be from those in the file, over the greatest of them. Another backend, instruction set or
/// method of convolution (Winograd's) sums in another order: a U-Net of five stages differs by 1e-6 between `cpu<>` and sums in double.
/// Arithmetic of fewer digits than float has differs by more: give its tolerance to `load_encoder`.
inline constexpr double golden_tolerance = 1e-4;

namespace detail {

inline std::string encoder_json(const encoder_description& d) {
    nlohmann::ordered_json stages = nlohmann::ordered_json::array();
    for (const auto& s : d.stages)
        stages.push_back(
            {{"name", s.name}, {"output", {s.output.c, s.output.h, s.output.w}}, {"parameters", s.parameters}, {"layers", s.layers}});
    return nlohmann::ordered_json{{"image", {d.image.c, d.image.h, d.image.w}}, {"stages", std::move(stages)}}.dump();
}

inline encoder_description encoder_from(const nlohmann::json& j) {
    const auto shape_from = [](const nlohmann::json& s) { return shape{s.at(0).get<int>(), s.at(1).get<int>(), s.at(2).get<int>()}; };
    encoder_description d{shape_from(j.at("image")), {}};
    for (const auto& s : j.at("stages"))
        d.stages.push_back({s.at("name").get<std::string>(), shape_from(s.at("output")), s.at("parameters").get<std::int64_t>(),
                            s.at("layers").get<std::vector<std::string>>()});
    return d;
}

inline std::string statistics_json(const data::image_statistics& s) {
    return nlohmann::ordered_json{
        {"images", s.images}, {"mean", s.mean}, {"deviation", s.deviation}, {"least", s.least}, {"greatest", s.greatest}}
        .dump();
}

inline data::image_statistics statistics_from(const nlohmann::json& j) {
    const auto list = [&](const char* key) { return j.at(key).get<std::vector<double>>(); };
    return {j.at("images").get<std::size_t>(), list("mean"), list("deviation"), list("least"), list("greatest")};
}

/// Losses that are no numbers become null.
inline std::string training_json(const encoder_record& r) {
    nlohmann::ordered_json epochs = nlohmann::ordered_json::array();
    for (const epoch_record& e : r.training.epochs)
        epochs.push_back({{"epoch", e.epoch},
                          {"learning_rate", e.learning_rate},
                          {"train_loss", e.train_loss},
                          {"valid_loss", e.valid_loss},
                          {"monitor", e.monitor},
                          {"best", e.best},
                          {"seconds", e.seconds},
                          {"skipped_steps", e.skipped_steps},
                          {"loss_scale", e.loss_scale}});
    return nlohmann::ordered_json{{"seed", r.random}, {"heads", r.training.heads}, {"epochs", std::move(epochs)}}.dump();
}

inline void training_from(const nlohmann::json& j, encoder_record& r) {
    const auto real = [](const nlohmann::json& v) { return v.is_null() ? std::numeric_limits<double>::quiet_NaN() : v.get<double>(); };
    const auto losses = [&](const nlohmann::json& list) {
        std::vector<double> values;
        for (const auto& v : list) values.push_back(real(v));
        return values;
    };
    r.random = j.at("seed").get<std::uint64_t>();
    r.training.heads = j.at("heads").get<std::vector<std::string>>();
    for (const auto& e : j.at("epochs"))
        r.training.epochs.push_back({e.at("epoch").get<int>(), real(e.at("learning_rate")), losses(e.at("train_loss")),
                                     losses(e.at("valid_loss")), real(e.at("monitor")), e.at("best").get<bool>(), real(e.at("seconds")),
                                     e.value("skipped_steps", std::int64_t{0}), e.value("loss_scale", 1.0)}); // not in older files
}

/// A text of the metadata as whatever `parse` makes of its JSON.
template <class Parse>
auto from_metadata(const safetensors& file, const std::string& where, const char* key, Parse parse) {
    const auto found = file.metadata().find(key);
    if (found == file.metadata().end()) throw file_error(where + ": metadata '" + key + "'", "to be there", "none");
    try {
        return parse(nlohmann::json::parse(found->second));
    } catch (const nlohmann::json::exception&) {
        throw file_error(where + ": metadata '" + key + "'", "what a modality encoder's file has there", "other text");
    }
}

inline std::string text_of(const safetensors& file, const std::string& where, const char* key) {
    const auto found = file.metadata().find(key);
    if (found == file.metadata().end()) throw file_error(where + ": metadata '" + key + "'", "to be there", "none");
    return found->second;
}

inline encoder_record record_of(const safetensors& file, const std::string& where) {
    const auto kind = file.metadata().find("umsrep.kind");
    if (kind == file.metadata().end() || kind->second != "modality encoder")
        throw file_error(where, "a modality encoder", "another safetensors file");
    encoder_record r;
    r.modality = text_of(file, where, "umsrep.modality");
    r.source_task = text_of(file, where, "umsrep.source task");
    r.version = text_of(file, where, "umsrep.version");
    r.computed_by = text_of(file, where, "umsrep.computed by");
    r.images = from_metadata(file, where, "umsrep.images", statistics_from);
    from_metadata(file, where, "umsrep.training", [&](const nlohmann::json& j) { training_from(j, r); return 0; });
    return r;
}

/// An image with the mean and deviation of those that the encoder knows, coarse and fine noise in equal parts. Drawn rather than taken
/// from the data: the file may go where no patient's image may.
inline xt::xtensor<float, 4> golden_image(shape s, const data::image_statistics& like) {
    random_stream random{seed{0}, "golden sample"};
    data::tensor coarse = data::uninitialized({s.c, std::max(s.h / 8, 1), std::max(s.w / 8, 1)});
    for (float& v : coarse) v = random.normal();
    coarse = data::resized(coarse, s.h, s.w);
    auto image = data::uninitialized(1, s);
    for (std::ptrdiff_t i = 0; i < s.size(); ++i) {
        const auto c = static_cast<std::size_t>(i / s.plane());
        const double mean = c < like.mean.size() ? like.mean[c] : 0.5, deviation = c < like.deviation.size() ? like.deviation[c] : 0.25;
        image.data()[i] =
            static_cast<float>(mean + 0.7071 * deviation * (static_cast<double>(coarse.data()[i]) + static_cast<double>(random.normal())));
    }
    return image;
}

/// A model of a network's encoder alone, for images of this size, with as yet random weights.
template <class Net, class Backend>
auto encoder_alone(shape image) {
    using net = encoder_features<encoder_of<Net>>;
    if constexpr (network_traits<net>::is_dynamic) return model<net, Backend>{seed{0}, extent{image.h, image.w}};
    else return model<net, Backend>{seed{0}};
}

} // namespace detail

/// Writes the encoder of a model with its record, atomically: description of the type, data statistics, training record, weights and norm
/// statistics, and a golden sample. The tensors are those of `io::save`, so `io::load<"encoder">` and PyTorch read them too.
/// Throws file_error naming the file; option_error for a model whose tasks have norm statistics of their own.
template <class Net, class Backend>
void save_encoder(const model<Net, Backend>& m, const encoder_record& record, const std::filesystem::path& path) {
    if (m.has_task_statistics()) throw option_error("save_encoder", "one set of norm statistics", "one for each task");
    auto alone = detail::encoder_alone<Net, Backend>(m.image());
    std::copy_n(m.parameters().begin(), alone.parameters().size(), alone.parameters().begin());
    std::copy_n(m.statistics().begin(), alone.statistics().size(), alone.statistics().begin());

    safetensors file;
    file.metadata() = {{"umsrep.kind", "modality encoder"},
                       {"umsrep.name", record.name()},
                       {"umsrep.modality", record.modality},
                       {"umsrep.source task", record.source_task},
                       {"umsrep.version", record.version},
                       {"umsrep.computed by", record.computed_by},
                       {"umsrep.encoder", detail::encoder_json(describe_encoder<Net>())},
                       {"umsrep.images", detail::statistics_json(record.images)},
                       {"umsrep.training", detail::training_json(record)}};
    detail::add_weights(file, std::as_const(alone), "");
    const auto add = [&](const char* name, const xt::xtensor<float, 4>& t) {
        file.add(name, {t.shape().begin(), t.shape().end()}, std::span<const float>(t.data(), t.size()));
    };
    const xt::xtensor<float, 4> image = detail::golden_image(m.image(), record.images);
    add("golden.image", image);
    add("golden.features", alone.predict(image).template get<"features">());
    file.write(path);
}

/// The same of what `pretrain` gives.
template <class Encoder, source_task Source, class Backend>
void save_encoder(const pretrained<Encoder, Source, Backend>& learnt, const std::filesystem::path& path) {
    save_encoder(learnt.net, learnt.record, path);
}

/// What the file of an encoder tells of it. Throws file_error naming the file.
inline encoder_record read_encoder_record(const std::filesystem::path& path) {
    return detail::record_of(safetensors::read(path), path.string());
}

/// Takes the encoder of a file into a network with the same encoder type; heads stay as they are. Throws file_error, and leaves the model
/// as it was, when the file is missing, damaged or no encoder; when it is another encoder, with the first stage that differs; and when
/// the golden sample, computed anew, gives features further than `tolerance` from those in the file.
template <class Net, class Backend>
encoder_record load_encoder(model<Net, Backend>& m, const std::filesystem::path& path, double tolerance = golden_tolerance) {
    const std::string where = path.string();
    const safetensors file = safetensors::read(path);
    encoder_record record = detail::record_of(file, where);
    const encoder_description came = detail::from_metadata(file, where, "umsrep.encoder", detail::encoder_from);
    if (const encoder_difference d = first_difference(describe_encoder<Net>(), came))
        throw file_error(where + ": encoder, " + d.where, d.expected, d.got);

    using extents = std::vector<std::size_t>;
    const extents golden = file.shape("golden.image");
    const shape declared = network_traits<Net>::declared_image;
    const auto size = [](int n) { return static_cast<std::size_t>(n); };
    const bool right = golden.size() == 4 && golden[0] == 1 && golden[1] == size(declared.c) && golden[2] > 0 && golden[3] > 0 &&
                       golden[2] < 65536 && golden[3] < 65536 && (declared.h == dynamic || golden[2] == size(declared.h)) &&
                       (declared.w == dynamic || golden[3] == size(declared.w));
    if (!right) throw file_error(where + ": golden.image", "one image of the encoder", detail::dims(golden));
    auto alone = detail::encoder_alone<Net, Backend>({declared.c, static_cast<int>(golden[2]), static_cast<int>(golden[3])});
    detail::copy_weights(file, where, alone, "encoder", "");

    auto image = data::uninitialized(1, alone.image());
    const std::vector<float> pixels = file.values<float>("golden.image");
    std::copy(pixels.begin(), pixels.end(), image.data());
    const xt::xtensor<float, 4> features = alone.predict(image).template get<"features">();
    const std::vector<float> expected = file.values<float>("golden.features");
    if (file.shape("golden.features") != extents(features.shape().begin(), features.shape().end()))
        throw file_error(where + ": golden.features", detail::dims({features.shape().begin(), features.shape().end()}),
                         detail::dims(file.shape("golden.features")));
    double furthest = 0, greatest = 0;
    bool numbers = true; // a NaN passes every comparison
    for (std::size_t i = 0; i < expected.size(); ++i) {
        numbers = numbers && std::isfinite(expected[i]) && std::isfinite(features.data()[i]);
        furthest = std::max(furthest, std::abs(static_cast<double>(features.data()[i]) - static_cast<double>(expected[i])));
        greatest = std::max(greatest, std::abs(static_cast<double>(expected[i])));
    }
    if (!numbers || furthest > tolerance * greatest) {
        const auto text = [](double v) {
            char digits[32];
            std::snprintf(digits, sizeof digits, "%.3g", v);
            return std::string(digits);
        };
        throw file_error(where + ": golden sample",
                         "features within " + text(tolerance) + " of the greatest, as computed by " + record.computed_by,
                         (numbers ? text(furthest / greatest) : std::string("no numbers")) + " with " + alone.computed_by() +
                             ": the weights were changed since, or this backend does not compute the same");
    }
    std::copy_n(alone.parameters().begin(), alone.parameters().size(), m.parameters().begin());
    for (int h = 0; h < (m.has_task_statistics() ? model<Net, Backend>::head_count : 1); ++h)
        std::copy_n(alone.statistics().begin(), alone.statistics().size(), m.statistics_of(h).begin());
    return record;
}

} // namespace umsrep::io
