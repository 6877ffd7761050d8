// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <set>
#include <string>

#include <umsrep/data/dataset.hpp>
#include <umsrep/io/manifest.hpp>

#include "../support/message_of.hpp"
#include "../support/temporary_folder.hpp"

using namespace umsrep;
using io::manifest;
using io::manifest_columns;
using test::message_of;
using test::one_line_naming;

static_assert(data::dataset<manifest>);

namespace {
/// A picture whose pixel (y, x) is `value` right of column x0, else 0.
void write_picture(const std::filesystem::path& path, int height, int width, int x0, std::uint8_t value) {
    io::raster<std::uint8_t> picture(1, height, width);
    for (int i = 0; i < height * width; ++i)
        picture.samples[static_cast<std::size_t>(i)] = i % width >= x0 ? value : std::uint8_t{0};
    io::write_png(path, picture);
}

struct example {
    test::temporary_folder folder;
    example() {
        std::filesystem::create_directories(folder / "set" / "images");
        for (const char* name : {"a.png", "b.png", "c.png"}) write_picture(folder / "set" / "images" / name, 4, 6, 1, 200);
        write_picture(folder / "set" / "a_mask.png", 4, 6, 3, 255);
        write_picture(folder / "set" / "c_mask.png", 4, 6, 3, 1); // 0 and 1, as some sets have it
        write_picture(folder / "set" / "narrow.png", 4, 5, 3, 255);
    }
    std::filesystem::path write(const std::string& rows) const {
        io::write_atomically(folder / "set" / "manifest.csv", [&](std::ostream& out) {
            out << "file,mask,dataset,finding,score,split\n" << rows;
        });
        return folder / "set" / "manifest.csv";
    }
};

const manifest_columns columns{
    .masks = {{"lungs"}}, .categories = {{"finding", "finding", {"normal", "tuberculosis"}}}, .numbers = {{"score", "score"}}};

std::string refusal(const std::filesystem::path& path, const std::string& split = "train", const manifest_columns& c = columns) {
    try {
        const manifest m{path, split, c};
        random_stream random{seed{1}};
        for (std::size_t i = 0; i < m.size(); ++i) m.get(i, random);
    } catch (const error& caught) {
        return caught.what();
    }
    return "(nothing was thrown)";
}
} // namespace

TEST_CASE("a row becomes an image, a mask of 0 and 1, a class, a number and a group; an empty cell is no label") {
    const example e;
    const manifest m{e.write("images/a.png,a_mask.png,x,tuberculosis,0.5,train\n"
                             "images/b.png,,y,,,train\n"
                             "images/c.png,c_mask.png,x,normal,-1e3,train\n"
                             "images/c.png,c_mask.png,x,normal,1,test\n"),
                     "train", columns};
    REQUIRE(m.size() == 3);
    random_stream random{seed{1}};
    const data::sample a = m.get(0, random), b = m.get(1, random), c = m.get(2, random);
    CHECK(a.id == "images/a.png");
    CHECK(a.group == "x");
    CHECK(data::shape_of(a.image) == shape{1, 4, 6});
    CHECK(a.image(0, 2, 1) == 200.0f / 255);
    for (const data::sample* s : {&a, &c}) {
        REQUIRE(s->find("lungs") != nullptr);
        CHECK(s->find("lungs")->kind == data::label_kind::mask);
        for (std::size_t x = 0; x < 6; ++x) CHECK(s->find("lungs")->value(0, 1, x) == (x >= 3 ? 1.0f : 0.0f));
    }
    CHECK(a.find("finding")->value(0, 0, 0) == 1.0f);
    CHECK(c.find("finding")->value(0, 0, 0) == 0.0f);
    CHECK(a.find("score")->value(0, 0, 0) == 0.5f);
    CHECK(c.find("score")->value(0, 0, 0) == -1000.0f);
    CHECK(b.labels.empty());
    CHECK(manifest(e.folder / "set" / "manifest.csv", "", columns).size() == 4);
}

TEST_CASE("files are found beside the manifest, below the folder that holds its folder, or by an absolute name") {
    const example e;
    const std::string absolute = (e.folder / "set" / "images" / "c.png").string();
    const manifest m{e.write("images/a.png,,,,,train\nset/images/b.png,,,,,train\n" + absolute + ",,,,,train\n"), "train",
                     columns};
    random_stream random{seed{1}};
    for (std::size_t i = 0; i < 3; ++i) CHECK(m.get(i, random).image(0, 0, 5) == 200.0f / 255);
}

TEST_CASE("what is wrong with a manifest is one line naming the file and the row") {
    const example e;
    const std::string good = "images/a.png,a_mask.png,x,normal,1,train\n";
    const struct {
        std::string rows;
        const char* names;
        const char* says;
    } cases[] = {
        {good + "images/absent.png,,,,,train\n", "line 3", "images/absent.png"},
        {good + ",,,,,train\n", "line 3", "empty cell"},
        {good + "images/b.png,absent.png,,,,train\n", "line 3", "absent.png"},
        {good + "images/b.png,,,influenza,,train\n", "line 3", "one of normal, tuberculosis, got 'influenza'"},
        {good + "images/b.png,,,,many,train\n", "line 3", "'many'"},
        {good + "images/b.png,,,,nan,train\n", "line 3", "'nan'"},
        {good + "images/b.png,,,,1 ,train\n", "line 3", "'1 '"},
        {good + "images/b.png,narrow.png,,,,train\n", "line 3", "(1, 4, 6), got (1, 4, 5)"},
        {good + "images/b.png,,x\n", "line 3", "6 fields, got 3"},
        {"images/a.png,,,,,test\n", "manifest.csv", "split 'train', got none"},
        {"", "manifest.csv", "split 'train', got none"},
        {good + "manifest.csv,,,,,train\n", "manifest.csv", "neither"},
    };
    for (const auto& [rows, names, says] : cases) {
        const std::filesystem::path path = e.write(rows);
        const std::string message = refusal(path);
        INFO(message);
        CHECK(one_line_naming(message, "manifest.csv"));
        CHECK(message.find(names) != std::string::npos);
        CHECK(message.find(says) != std::string::npos);
    }
    CHECK(one_line_naming(refusal(e.folder / "absent.csv"), "absent.csv: no such file"));
    const std::filesystem::path path = e.write(good);
    CHECK(one_line_naming(refusal(path, "train", {.file = "picture"}), "column 'picture'"));
    CHECK(one_line_naming(refusal(path, "train", {.split = "part"}), "column 'part'"));
    CHECK(one_line_naming(refusal(path, "train", {.masks = {{"lungs", "lung_mask"}}}), "column 'lung_mask'"));
    CHECK(one_line_naming(refusal(path, "train", {.categories = {{"finding", "label", {"normal"}}}}), "column 'label'"));
}

TEST_CASE("the real chest X-rays: every row is read, masks are marked where there are any") {
    const char* folder = std::getenv("UMSREP_DATA");
    if (folder == nullptr) {
        MESSAGE("skipped: UMSREP_DATA is not set");
        return;
    }
    const std::filesystem::path path = std::filesystem::path{folder} / "cxr" / "manifest.csv";
    std::size_t images = 0, masks = 0;
    std::set<std::string> groups;
    random_stream random{seed{1}};
    for (const char* split : {"train", "val", "test"}) {
        const manifest m{path, split, {.masks = {{"lungs"}}}};
        for (std::size_t i = 0; i < m.size(); ++i) {
            const data::sample s = m.get(i, random);
            CHECK(data::shape_of(s.image) == shape{1, 256, 256});
            ++images;
            groups.insert(s.group);
            if (const data::label* l = s.find("lungs")) {
                ++masks;
                const auto area = std::count(l->value.data(), l->value.data() + l->value.size(), 1.0f);
                CHECK(area > 5'000);
                CHECK(area < 45'000);
            }
        }
    }
    CHECK(images == 229);
    CHECK(masks == 164);
    CHECK(groups.contains("montgomery"));
}
