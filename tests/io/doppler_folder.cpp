// SPDX-License-Identifier: MIT
#include <umsrep/io/doppler_folder.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <ostream>
#include <string>
#include <string_view>

#include <umsrep/data/dataset.hpp>
#include <umsrep/data/sim/doppler.hpp>
#include <umsrep/io/atomic_file.hpp>

#include "../support/message_of.hpp"
#include "../support/temporary_folder.hpp"

namespace doppler_folder_tests {

using namespace umsrep;
using io::doppler_folder;
using test::one_line_naming;

static_assert(data::dataset<doppler_folder>);

/// A folder with two images of 40 x 48 and a mask, and a table to be written.
struct example {
    test::temporary_folder folder;
    sim::doppler_spectrogram truth;

    example() {
        sim::doppler_options options;
        options.height = 40;
        options.width = 48;
        truth = sim::simulate_doppler(options, seed{1}, 0, sim::doppler_flow::lvot);
        io::write_png(folder / "a.png", truth.noisy);
        io::write_png(folder / "b.png", truth.clean);
        io::write_png(folder / "mask.png", truth.envelope);
        options.width = 50;
        io::write_png(folder / "wide.png", sim::simulate_doppler(options, seed{1}, 0, sim::doppler_flow::lvot).envelope);
    }

    void write(const std::string& text) const {
        io::write_atomically(folder / "calibration.csv", [&](std::ostream& out) { out << text; });
    }

    std::string refusal(const std::string& text, const std::string& split = "") const {
        write(text);
        try {
            const doppler_folder set{folder.path(), split};
            random_stream random{seed{1}};
            for (std::size_t i = 0; i < set.size(); ++i) set.get(i, random);
        } catch (const error& caught) {
            return caught.what();
        }
        return "(nothing was thrown)";
    }
};

constexpr const char* header = "file,cm_s_per_pixel,ms_per_column,baseline_row,mask,quality,flow,patient,split\n";

TEST_CASE("a row of a Doppler folder is an image, its calibration, and the labels that its cells hold") {
    const example e;
    e.write(std::string{header} + "a.png,0.75,12.5,20.25,mask.png,good,lvot,p7,train\n"
                                  "b.png,1e0,10,0,,,,,train\n"
                                  "b.png,1,10,40,,poor,tissue,p8,test\n");
    const doppler_folder train{e.folder.path(), "train"}, all{e.folder.path()};
    REQUIRE(train.size() == 2);
    CHECK(all.size() == 3);
    CHECK(train.calibration(0) == doppler_calibration{0.75, 12.5, 20.25});
    CHECK(all.calibration(2) == doppler_calibration{1, 10, 40});
    CHECK(train.patient(0) == "p7");
    CHECK(train.patient(1) == "b.png");
    random_stream random{seed{1}};
    const data::sample a = train.get(0, random), b = train.get(1, random), c = all.get(2, random);
    CHECK(data::shape_of(a.image) == shape{1, 40, 48});
    REQUIRE(a.find("envelope") != nullptr);
    CHECK(a.find("envelope")->value == e.truth.envelope);
    CHECK(a.find("quality")->value(0, 0, 0) == static_cast<float>(sim::view_quality::good));
    CHECK(a.find("flow")->value(0, 0, 0) == static_cast<float>(sim::doppler_flow::lvot));
    CHECK(b.labels.empty());
    CHECK(c.find("quality")->value(0, 0, 0) == static_cast<float>(sim::view_quality::poor));
    CHECK(c.find("flow")->value(0, 0, 0) == static_cast<float>(sim::doppler_flow::tissue));
}

TEST_CASE("a Doppler folder needs no more than files and calibrations") {
    const example e;
    e.write("baseline_row,file,ms_per_column,cm_s_per_pixel\n20,a.png,10,1\n");
    const doppler_folder set{e.folder.path()};
    random_stream random{seed{1}};
    CHECK(set.get(0, random).labels.empty());
    CHECK(set.calibration(0) == doppler_calibration{1, 10, 20});
}

TEST_CASE("the classes of a Doppler folder are those of the simulator") {
    const io::doppler_folder_options options;
    REQUIRE(options.qualities.size() == sim::view_quality_names.size());
    for (std::size_t i = 0; i < options.qualities.size(); ++i) CHECK(options.qualities[i] == sim::view_quality_names[i]);
    REQUIRE(options.flows.size() == sim::doppler_flow_names.size());
    for (std::size_t i = 0; i < options.flows.size(); ++i) CHECK(options.flows[i] == sim::doppler_flow_names[i]);
}

TEST_CASE("what is wrong with a Doppler folder is one line naming the table, the row and the column") {
    const example e;
    const std::string good = std::string{header} + "a.png,1,10,20,mask.png,good,lvot,p,train\n";
    const struct {
        std::string row;
        const char* column;
        const char* says;
    } cases[] = {
        {"absent.png,1,10,20,,,,,train\n", "column 'file'", "absent.png: no such file"},
        {",1,10,20,,,,,train\n", "column 'file'", "empty cell"},
        {"b.png,,10,20,,,,,train\n", "column 'cm_s_per_pixel'", "expected a number, got ''"},
        {"b.png,0,10,20,,,,,train\n", "column 'cm_s_per_pixel'", "expected a number above 0, got '0'"},
        {"b.png,-1,10,20,,,,,train\n", "column 'cm_s_per_pixel'", "got '-1'"},
        {"b.png,1,10ms,20,,,,,train\n", "column 'ms_per_column'", "expected a number, got '10ms'"},
        {"b.png,1,inf,20,,,,,train\n", "column 'ms_per_column'", "got 'inf'"},
        {"b.png,1,10,middle,,,,,train\n", "column 'baseline_row'", "got 'middle'"},
        {"b.png,1,10,40.5,,,,,train\n", "column 'baseline_row'", "expected 0 to 40"},
        {"b.png,1,10,-1,,,,,train\n", "column 'baseline_row'", "got -1"},
        {"b.png,1,10,20,absent.png,,,,train\n", "column 'mask'", "absent.png: no such file"},
        {"calibration.csv,1,10,20,,,,,train\n", "column 'file'", "PNG or JPEG"},
        {"b.png,1,10,20,wide.png,,,,train\n", "column 'mask'", "(1, 40, 48), got (1, 40, 50)"},
        {"b.png,1,10,20,,fair,,,train\n", "column 'quality'", "one of poor, good, got 'fair'"},
        {"b.png,1,10,20,,,venous,,train\n", "column 'flow'", "got 'venous'"},
        {"b.png,1,10\n", "9 fields", "got 3"},
    };
    for (const auto& c : cases) {
        CAPTURE(c.row);
        const std::string message = e.refusal(good + c.row);
        CAPTURE(message);
        CHECK(one_line_naming(message, "calibration.csv: line 3"));
        CHECK(message.find(c.column) != std::string::npos);
        CHECK(message.find(c.says) != std::string::npos);
    }
    for (const std::string column : {"file", "cm_s_per_pixel", "ms_per_column", "baseline_row"}) {
        std::string without = good;
        without.replace(without.find(column), column.size(), "other");
        const std::string message = e.refusal(without);
        CHECK(one_line_naming(message, "calibration.csv"));
        CHECK(message.find("a column '" + column + "'") != std::string::npos);
    }
    CHECK(e.refusal(good, "val").find("rows of split 'val'") != std::string::npos);
    std::filesystem::remove(e.folder / "calibration.csv");
    CHECK(test::message_of<file_error>([&] { doppler_folder{e.folder.path()}; }).find("calibration.csv") != std::string::npos);
}

} // namespace doppler_folder_tests
