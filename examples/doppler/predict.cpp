// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iostream>
#include <string>
#include <system_error>
#include <vector>

#include <device/device.hpp>
#include <umsrep/data/resample.hpp>
#include <umsrep/io/csv.hpp>
#include <umsrep/io/doppler_folder.hpp>
#include <umsrep/io/image.hpp>
#include <umsrep/report/picture.hpp>
#include <umsrep/report/table.hpp>

#include "commands.hpp"
#include "evaluate.hpp"

namespace doppler {

namespace data = umsrep::data;
namespace sim = umsrep::sim;

namespace {

std::string text(double value, int digits) { return std::isnan(value) ? "" : umsrep::report::number(value, digits); }

std::size_t most_probable(const xt::xtensor<float, 4>& p) {
    return static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin());
}

} // namespace

void run(const predict_options& o) {
    session net = session::open(o.model, {device::choose(o.device), o.threads, o.plans});
    const umsrep::io::doppler_folder images{o.folder};
    std::error_code failure;
    if (std::filesystem::equivalent(o.folder, o.out, failure))
        throw umsrep::option_error("--out", "another folder than the images'", o.out.string());
    std::filesystem::create_directories(o.out, failure);
    if (failure) throw umsrep::file_error(o.out.string() + ": cannot be made a folder: " + failure.message());

    const std::vector<std::string> columns{"file", "flow", "flow_probability", "quality", "good_probability", "peak_cm_s", "vti_cm",
                                           "peak_gradient_mmhg", "mean_gradient_mmhg", "early_cm_s", "late_cm_s", "early_to_late",
                                           "envelope", "overlay"};
    std::vector<std::vector<std::string>> rows;
    umsrep::random_stream unused{umsrep::seed{0}};
    for (std::size_t i = 0; i < images.size(); ++i) {
        const data::sample s = images.get(i, unused);
        const int height = static_cast<int>(s.image.shape()[1]), width = static_cast<int>(s.image.shape()[2]);
        const data::tensor small = data::resized(s.image, net.size(), net.size());
        auto one = data::uninitialized(1, data::shape_of(small));
        std::copy_n(small.data(), small.size(), one.data());
        const predictions p = net.predict(one);

        // The probability is enlarged, not the mask: its border stays smooth, and the calibration is the stored image's.
        data::tensor mask = data::resized(sample_of(p.envelope, 0), height, width);
        for (float& v : mask) v = v > 0.5f ? 1.0f : 0.0f;
        const std::size_t flow = most_probable(p.flow), quality = most_probable(p.quality);
        const reading read = read_envelope(mask, images.calibration(i), static_cast<sim::doppler_flow>(flow));

        // names with a number: two folders may hold files of one name
        const std::string name = std::to_string(i + 1) + "." + std::filesystem::path{s.id}.stem().string();
        umsrep::io::write_png(o.out / (name + ".envelope.png"), mask);
        umsrep::io::write_png(o.out / (name + ".overlay.png"), umsrep::report::overlay(s.image, mask).pixels());
        rows.push_back({s.id, std::string{sim::doppler_flow_names[flow]}, text(static_cast<double>(p.flow.data()[flow]), 3),
                        quality == 1 ? "good" : "poor", text(static_cast<double>(p.quality.data()[1]), 3), text(read.peak, 1),
                        text(read.vti, 2), text(read.peak_gradient, 1), text(read.mean_gradient, 1), text(read.early, 1),
                        text(read.late, 1), text(read.early_to_late, 2), name + ".envelope.png", name + ".overlay.png"});
    }
    umsrep::io::write_csv(o.out / "quantities.csv", columns, rows);
    std::cout << rows.size() << " images -> " << (o.out / "quantities.csv").string() << "\nNothing of this is a clinical finding.\n";
}

} // namespace doppler
