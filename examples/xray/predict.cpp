// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <iostream>
#include <set>

#include <device/device.hpp>
#include <umsrep/data/resample.hpp>
#include <umsrep/io/image.hpp>

#include "commands.hpp"
#include "evaluate.hpp"
#include "run_folder.hpp"

namespace xray {

namespace data = umsrep::data;
namespace fs = std::filesystem;

namespace {

struct input {
    fs::path file;
    data::tensor image; ///< as large as stored
};

/// All inputs are read before anything is written. Files are told apart by their names without folder and ending.
std::vector<input> read_inputs(const std::vector<fs::path>& files) {
    std::vector<input> inputs;
    std::set<std::string> names;
    for (const fs::path& file : files) {
        if (!names.insert(file.stem().string()).second)
            throw umsrep::option_error(file.string(), "inputs of different names", "'" + file.stem().string() + "' twice");
        inputs.push_back({file, umsrep::io::read_image(file)});
    }
    return inputs;
}

/// Predictions beside their inputs may have the name of one: a.png gives a.lungs.png.
void refuse_overwriting(const std::vector<input>& inputs, const fs::path& folder) {
    for (const input& in : inputs)
        for (const char* ending : {".denoised.png", ".lungs.png", ".overlay.png", ".json"})
            for (const input& other : inputs) {
                std::error_code not_there;
                const fs::path output = folder / (in.file.stem().string() + ending);
                if (fs::equivalent(output, other.file, not_there))
                    throw umsrep::option_error(output.string() + ": is an input and would be overwritten; --out needs another folder");
            }
}

data::tensor mask_of(data::tensor probability) {
    for (std::size_t i = 0; i < probability.size(); ++i) probability.data()[i] = probability.data()[i] > 0.5f ? 1.0f : 0.0f;
    return probability;
}

void write_results(const input& in, session& networks, const description& what, const fs::path& folder) {
    const int size = what.size, height = static_cast<int>(in.image.shape()[1]), width = static_cast<int>(in.image.shape()[2]);
    const predictions p = networks.predict(batch_of(data::resized(in.image, size, size)));
    const auto file = [&](const char* ending) { return folder / (in.file.stem().string() + ending); };

    nlohmann::ordered_json json{{"input", in.file.string()}, {"height", height}, {"width", width},
                                {"note", "A research program's output; it is not a clinical finding."}};
    if (what.trains("denoise")) {
        const fs::path denoised = file(".denoised.png");
        umsrep::io::write_png(denoised, displayed(sample_of(p.denoised, 0)));
        json["denoised"] = denoised.filename().string();
    }
    if (what.trains("lungs")) {
        // The probability is enlarged, not the mask: its border stays smooth.
        const data::tensor mask = mask_of(data::resized(sample_of(p.lungs, 0), height, width));
        const double area = static_cast<double>(std::count(mask.data(), mask.data() + mask.size(), 1.0f)) / static_cast<double>(mask.size());
        umsrep::io::write_png(file(".lungs.png"), mask);
        umsrep::io::write_png(file(".overlay.png"), umsrep::report::overlay(in.image, mask).pixels());
        json["lungs"] = {{"mask", file(".lungs.png").filename().string()}, {"overlay", file(".overlay.png").filename().string()},
                         {"part_of_image", area}};
    }
    if (what.trains("finding")) {
        for (std::size_t c = 0; c < class_names.size(); ++c) json["finding"]["probabilities"][class_names[c]] = p.finding.data()[c];
        const auto best = std::max_element(p.finding.data(), p.finding.data() + class_names.size()) - p.finding.data();
        json["finding"]["most_probable"] = class_names[static_cast<std::size_t>(best)];
    }
    write_json(file(".json"), json);
}

} // namespace

void run(const predict_options& o) {
    description what;
    session networks = session::open(o.model, {device::choose(o.device), o.threads, o.plans}, what);
    const std::vector<input> inputs = read_inputs(o.images);
    refuse_overwriting(inputs, o.out);
    std::error_code failure;
    fs::create_directories(o.out, failure);
    if (failure) throw umsrep::file_error(o.out.string() + ": cannot be made a folder: " + failure.message());
    for (const input& in : inputs) {
        write_results(in, networks, what, o.out);
        std::cout << in.file.string() << " -> " << (o.out / in.file.stem()).string() << ".*\n";
    }
    std::cout << "Nothing of this is a clinical finding.\n";
}

} // namespace xray
