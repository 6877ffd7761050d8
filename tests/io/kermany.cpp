// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <umsrep/data/dataset.hpp>
#include <umsrep/io/kermany.hpp>

#include "../support/message_of.hpp"
#include "../support/temporary_folder.hpp"

using namespace umsrep;
using io::kermany;
using io::kermany_options;
using test::message_of;
using test::one_line_naming;

static_assert(data::dataset<kermany>);

namespace {
void write_picture(const std::filesystem::path& path) {
    std::filesystem::create_directories(path.parent_path());
    io::raster<std::uint8_t> picture(1, 2, 3);
    picture.samples = {0, 51, 102, 153, 204, 255};
    io::write_png(path, picture); // the content decides the format, not the name
}

/// As published, with few images: a val folder that is far too small.
struct published {
    test::temporary_folder folder;
    published() {
        for (int i = 0; i < 30; ++i) {
            const std::string n = std::to_string(i);
            for (const char* picture : {"-0001.jpeg", "-0002.jpeg"})
                write_picture(folder / "train" / "NORMAL" / ("IM-" + n + picture));
            write_picture(folder / "train" / "PNEUMONIA" / ("person" + n + "_bacteria_1.jpeg"));
            write_picture(folder / "train" / "PNEUMONIA" / ("person" + n + "_virus_2.jpeg"));
        }
        write_picture(folder / "val" / "NORMAL" / "NORMAL2-IM-77-0001.jpeg");
        write_picture(folder / "val" / "PNEUMONIA" / "person3_bacteria_9.jpeg"); // a patient of the train folder
        write_picture(folder / "test" / "NORMAL" / "IM-99-0001.jpeg");
        write_picture(folder / "test" / "PNEUMONIA" / "person99_virus_1.jpeg");
        std::ofstream(folder / "test" / "PNEUMONIA" / ".DS_Store") << "not an image";
    }
};

std::set<std::string> ids(const kermany& set) {
    random_stream random{seed{1}};
    std::set<std::string> result;
    for (std::size_t i = 0; i < set.size(); ++i) result.insert(set.get(i, random).id);
    return result;
}

std::set<std::string> patients(const kermany& set) {
    std::set<std::string> result;
    for (std::size_t i = 0; i < set.size(); ++i) result.insert(set.patient(i));
    return result;
}
} // namespace

TEST_CASE("class and patient come from the file's name") {
    const published data;
    const kermany test{data.folder.path(), "test"};
    REQUIRE(test.size() == 2);
    random_stream random{seed{1}};
    const data::sample normal = test.get(0, random), viral = test.get(1, random);
    CHECK(normal.id == "test/NORMAL/IM-99-0001.jpeg");
    CHECK(normal.group == "kermany");
    CHECK(normal.image(0, 1, 2) == 1.0f);
    CHECK(normal.find("finding")->value(0, 0, 0) == 0.0f);
    CHECK(viral.find("finding")->value(0, 0, 0) == 2.0f);
    CHECK(test.class_counts() == std::vector<std::size_t>{1, 0, 1});
    CHECK(test.patient(0) == "IM-99");
    CHECK(test.patient(1) == "person99");
}

TEST_CASE("a val split that is too small is replaced by whole patients of train and val, the same for the same seed") {
    const published data;
    const kermany train{data.folder.path(), "train"}, val{data.folder.path(), "val"};
    CHECK(train.size() + val.size() == 30 * 4 + 2);
    CHECK(val.size() >= 7); // 7 of 61 patients
    const auto of_train = patients(train), of_val = patients(val);
    CHECK(of_val.size() == 7);
    for (const std::string& patient : of_val) CHECK_FALSE(of_train.contains(patient));
    CHECK(ids(kermany{data.folder.path(), "val"}) == ids(val));
    CHECK(ids(kermany{data.folder.path(), "val", {.random = seed{1}}}) != ids(val));
    CHECK(ids(kermany{data.folder.path(), "val", {.smallest_validation = 2}}).size() == 2);
}

TEST_CASE("a task may leave classes out, name its head and order its classes") {
    const published data;
    const kermany set{
        data.folder.path(), "train", {.head = "cause", .classes = {"viral", "bacterial"}, .smallest_validation = 0}};
    CHECK(set.class_counts() == std::vector<std::size_t>{30, 30});
    random_stream random{seed{1}};
    for (std::size_t i = 0; i < set.size(); ++i) {
        const data::sample s = set.get(i, random);
        CHECK(s.find("cause")->value(0, 0, 0) == (s.id.find("bacteria") != std::string::npos ? 1.0f : 0.0f));
    }
}

TEST_CASE("a manifest has the say over names and folders") {
    test::temporary_folder folder;
    write_picture(folder / "train" / "NORMAL" / "x.jpeg");
    write_picture(folder / "train" / "NORMAL" / "y.jpeg");
    const auto manifest = [&](const std::string& rows) {
        io::write_atomically(folder / "manifest.csv", [&](std::ostream& out) { out << "file,patient,label,split\n" << rows; });
    };
    manifest("train/NORMAL/x.jpeg,p1,viral,test\ntrain/NORMAL/y.jpeg,p2,normal,train\n");
    const kermany test{folder.path(), "test"};
    REQUIRE(test.size() == 1);
    CHECK(test.patient(0) == "p1");
    CHECK(test.class_counts() == std::vector<std::size_t>{0, 0, 1});

    manifest("train/NORMAL/x.jpeg,p1,influenza,test\n");
    CHECK(one_line_naming(message_of<label_error>([&] { kermany{folder.path(), "test"}; }), "manifest.csv: line 2"));
    manifest("train/NORMAL/z.jpeg,p1,viral,test\n");
    CHECK(one_line_naming(message_of<file_error>([&] { kermany{folder.path(), "test"}; }), "z.jpeg"));
}

TEST_CASE("what is wrong with a folder is one line naming it") {
    test::temporary_folder folder;
    const auto refusal = [](const std::filesystem::path& path, const char* split, const kermany_options& options = {}) {
        return message_of<error>([&] { kermany{path, split, options}; });
    };
    CHECK(one_line_naming(refusal(folder / "absent", "train"), (folder / "absent").string()));
    CHECK(one_line_naming(refusal(folder.path(), "train"), folder.path().string()));
    write_picture(folder / "train" / "PNEUMONIA" / "person1_bacteria_1.jpeg");
    CHECK(one_line_naming(refusal(folder.path(), "test"), "split 'test'"));
    CHECK(one_line_naming(refusal(folder.path(), "training"), "training"));
    CHECK(one_line_naming(refusal(folder.path(), "train", {.classes = {"normal", "covid"}}), "covid"));
    write_picture(folder / "train" / "PNEUMONIA" / "person1.jpeg");
    CHECK(one_line_naming(refusal(folder.path(), "train"), "person1.jpeg"));
}

TEST_CASE("the real set: 4,657 images of patients that no two splits share, with and without its manifest") {
    const char* folder = std::getenv("UMSREP_DATA");
    if (folder == nullptr) {
        MESSAGE("skipped: UMSREP_DATA is not set");
        return;
    }
    const std::filesystem::path path = std::filesystem::path{folder} / "kermany";
    const kermany train{path, "train"}, val{path, "val"}, test{path, "test"};
    CHECK(train.class_counts() == std::vector<std::size_t>{794, 1555, 847});
    CHECK(val.class_counts() == std::vector<std::size_t>{149, 247, 144});
    CHECK(test.class_counts() == std::vector<std::size_t>{278, 429, 214});
    const auto of_train = patients(train), of_val = patients(val), of_test = patients(test);
    for (const std::string& patient : of_test) CHECK_FALSE((of_train.contains(patient) || of_val.contains(patient)));
    for (const std::string& patient : of_val) CHECK_FALSE(of_train.contains(patient));

    random_stream random{seed{1}};
    for (std::size_t i = 0; i < val.size(); i += 10) CHECK(data::shape_of(val.get(i, random).image) == shape{1, 224, 224});

    test::temporary_folder bare; // the same folders without the manifest: classes and splits by name
    for (const char* split : {"train", "val", "test"}) std::filesystem::create_directory_symlink(path / split, bare / split);
    CHECK(kermany{bare.path(), "train"}.class_counts() == train.class_counts());
    CHECK(kermany{bare.path(), "test"}.class_counts() == test.class_counts());
}
