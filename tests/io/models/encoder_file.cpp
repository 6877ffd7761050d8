// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include <umsrep/io/encoder_file.hpp>

#include "../../support/bits.hpp"
#include "../../support/disk_full.hpp"
#include "../../support/message_of.hpp"
#include "../../support/temporary_folder.hpp"
#include "../../support/tiny.hpp"

using namespace umsrep;

namespace encoder_file_test {

struct small_encoder : encoder<image<1, 16, 16>,
    stage<"e1", conv<4, 3, no_bias>, batch_norm, relu>,
    stage<"e2", max_pool<2>, conv<8, 3, no_bias>, batch_norm, relu>> {};
struct wider_encoder : encoder<image<1, 16, 16>,
    stage<"e1", conv<4, 3, no_bias>, batch_norm, relu>,
    stage<"e2", max_pool<2>, conv<8, 5, no_bias>, batch_norm, relu>> {};
struct any_size : encoder<image<1, dynamic, dynamic>,
    stage<"e1", conv<4, 3, no_bias>, batch_norm, relu>,
    stage<"e2", max_pool<2>, conv<8, 3, no_bias>, batch_norm, relu>> {};

template <class Encoder>
struct finding : network<Encoder, head<"finding", seq<global_avg_pool, linear<3>>, loss::cross_entropy>> {};

template <class Encoder, class Backend = cpu<>>
pretrained<Encoder, source::denoising<to_image<4>>, Backend> learn(std::optional<extent> size = {}) {
    return pretrain<Encoder, source::denoising<to_image<4>>, Backend>(
        test::tiny_dataset{8}, test::tiny_dataset{4}, optim::adamw{.lr = 1e-2},
        {.modality = "Test", .batch_size = 4, .image = size, .loading_threads = 0, .run = {.epochs = 2}});
}

/// The file with its tensors and metadata changed by `change(name, values)` and `describe(metadata)`.
template <class Change, class Describe>
void rewrite(const std::filesystem::path& from, const std::filesystem::path& to, Change change, Describe describe) {
    const io::safetensors old = io::safetensors::read(from);
    io::safetensors changed;
    changed.metadata() = old.metadata();
    describe(changed.metadata());
    for (const std::string& name : old.names()) {
        std::vector<float> values = old.values<float>(name);
        change(name, values);
        changed.add(name, old.shape(name), std::span<const float>(values));
    }
    changed.write(to);
}
constexpr auto leave = [](auto&&...) {};

using classifier = model<finding<small_encoder>>;

/// Loading throws, and the model stays as it was.
std::string refusal(const std::filesystem::path& path, double tolerance = io::golden_tolerance) {
    classifier m{seed{9}};
    const auto before = test::copy(m.parameters()), statistics = test::copy(m.statistics());
    const std::string message = test::message_of<file_error>([&] { io::load_encoder(m, path, tolerance); });
    CHECK(test::same_bits(before, m.parameters()));
    CHECK(test::same_bits(statistics, m.statistics()));
    return message;
}

TEST_CASE("a pre-trained encoder comes back bit for bit, in a network with other heads, with all that is known of it") {
    const test::temporary_folder f;
    const auto learnt = learn<small_encoder>();
    io::save_encoder(learnt, f / "e.safetensors");
    CHECK(f.files() == 1);

    classifier m{seed{5}};
    const auto heads_before = test::copy(m.parameters().last(27));
    const encoder_record r = io::load_encoder(m, f / "e.safetensors");
    const std::size_t encoder_size = m.parameters().size() - 27;
    CHECK(test::same_bits(m.parameters().first(encoder_size), learnt.net.parameters().first(encoder_size)));
    CHECK(test::same_bits(m.statistics(), learnt.net.statistics().first(m.statistics().size())));
    CHECK(test::same_bits(heads_before, m.parameters().last(27)));

    CHECK(r.name() == "UMS-Rep^Test_Denoising");
    CHECK(r.random == 1);
    CHECK(r.version == library_version);
    CHECK(r.computed_by == learnt.net.computed_by());
    CHECK(r.images == learnt.record.images);
    REQUIRE(r.training.epochs.size() == 2);
    CHECK(r.training.heads == std::vector<std::string>{"source"});
    for (std::size_t e = 0; e < 2; ++e) {
        CHECK(r.training.epochs[e].train_loss == learnt.record.training.epochs[e].train_loss);
        CHECK(r.training.epochs[e].valid_loss == learnt.record.training.epochs[e].valid_loss);
    }
    CHECK(io::read_encoder_record(f / "e.safetensors").name() == r.name());

    classifier plain{seed{6}}; // the plain reader takes the weights too
    io::load<"encoder">(plain, f / "e.safetensors");
    CHECK(test::same_bits(m.parameters().first(encoder_size), plain.parameters().first(encoder_size)));
}

TEST_CASE("the library's version is the project's") { CHECK(library_version == UMSREP_TEST_VERSION); }

TEST_CASE("an encoder for images of any size is replayed in the size of its file and loaded into a model of another") {
    const test::temporary_folder f;
    const auto learnt = learn<any_size>(extent{16, 16});
    io::save_encoder(learnt, f / "e.safetensors");
    model<finding<any_size>> m{seed{3}, extent{24, 32}};
    CHECK_NOTHROW(io::load_encoder(m, f / "e.safetensors"));
    CHECK(test::same_bits(m.parameters().first(100), learnt.net.parameters().first(100)));
    CHECK_THROWS_WITH_AS(learn<any_size>(), "pretrain: image: expected the size of the dynamic image, got none", option_error);
}

TEST_CASE("other encoders are refused by the first stage that differs") {
    const test::temporary_folder f;
    io::save_encoder(learn<wider_encoder>(), f / "wider.safetensors");
    CHECK(refusal(f / "wider.safetensors") == (f / "wider.safetensors").string() +
                                                  ": encoder, stage 'e2', layer 2: expected '1: conv 8, kernel 3 x 3, padding 1 x 1', got "
                                                  "'1: conv 8, kernel 5 x 5, padding 2 x 2'");
    io::save_encoder(learn<any_size>(extent{16, 16}), f / "any.safetensors");
    CHECK(refusal(f / "any.safetensors").ends_with(": encoder, image: expected 1 x 16 x 16, got 1 x any x any"));
}

TEST_CASE("the golden sample notices weights that were changed, and another way to compute it passes") {
    const test::temporary_folder f;
    io::save_encoder(learn<small_encoder>(), f / "e.safetensors");
    rewrite(f / "e.safetensors", f / "changed.safetensors", [](const std::string& name, std::vector<float>& values) {
        if (name == "encoder.e1.0.weight") values[5] += 0.05f;
    }, leave);
    const std::string message = refusal(f / "changed.safetensors");
    CHECK(message.find("changed.safetensors: golden sample: expected features within 0.0001 of the greatest, as computed by cpu") !=
          std::string::npos);
    CHECK(message.ends_with(": the weights were changed since, or this backend does not compute the same"));
    rewrite(f / "e.safetensors", f / "nan.safetensors", [](const std::string& name, std::vector<float>& values) {
        if (name == "encoder.e2.2.running_var") values[0] = std::numeric_limits<float>::quiet_NaN();
    }, leave);
    CHECK(refusal(f / "nan.safetensors").find("got no numbers with") != std::string::npos);

    model<finding<small_encoder>, reference<float>> same{seed{1}};
    CHECK_NOTHROW(io::load_encoder(same, f / "e.safetensors", 1e-5));
    model<finding<small_encoder>, reference<double>> finer{seed{1}};
    CHECK_NOTHROW(io::load_encoder(finer, f / "e.safetensors", 1e-5));
}

TEST_CASE("files that are missing, damaged, cut or something else are refused with their name") {
    const test::temporary_folder f;
    const auto good = f / "e.safetensors";
    io::save_encoder(learn<small_encoder>(), good);
    CHECK(refusal(f / "none.safetensors") == (f / "none.safetensors").string() + ": no such file");

    std::ifstream in(good, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    for (const std::size_t length : {std::size_t{0}, std::size_t{7}, std::size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
        std::ofstream(f / "cut.safetensors", std::ios::binary) << bytes.substr(0, length);
        CHECK(refusal(f / "cut.safetensors").starts_with((f / "cut.safetensors").string()));
    }
    io::save(learn<small_encoder>().net, f / "weights.safetensors");
    CHECK(refusal(f / "weights.safetensors").ends_with(": expected a modality encoder, got another safetensors file"));

    for (const char* key : {"umsrep.encoder", "umsrep.images", "umsrep.training", "umsrep.modality"}) {
        rewrite(good, f / "bad.safetensors", leave, [&](std::map<std::string, std::string>& m) { m.erase(key); });
        CHECK(refusal(f / "bad.safetensors").ends_with("metadata '" + std::string(key) + "': expected to be there, got none"));
        if (std::string(key) == "umsrep.modality") continue;
        for (const char* text : {"no JSON", "{}", "[1, 2", "{\"image\": \"x\", \"stages\": 3, \"seed\": -1, \"images\": []}"}) {
            rewrite(good, f / "bad.safetensors", leave, [&](std::map<std::string, std::string>& m) { m[key] = text; });
            CHECK(refusal(f / "bad.safetensors").ends_with("expected what a modality encoder's file has there, got other text"));
        }
    }

    io::safetensors without;
    const io::safetensors whole = io::safetensors::read(good);
    without.metadata() = whole.metadata();
    for (const std::string& name : whole.names())
        if (name != "golden.image") without.add(name, whole.shape(name), std::span<const float>(whole.values<float>(name)));
    without.write(f / "without.safetensors");
    CHECK(refusal(f / "without.safetensors").find("golden.image") != std::string::npos);
}

TEST_CASE("an encoder file is written whole or not at all") {
    const test::temporary_folder f;
    const auto learnt = learn<small_encoder>();
    io::save_encoder(learnt, f / "e.safetensors");
    const auto size = std::filesystem::file_size(f / "e.safetensors");
    {
        const test::disk_full full(size / 2);
        CHECK_THROWS_AS(io::save_encoder(learnt, f / "e.safetensors"), file_error);
    }
    CHECK(f.files() == 1);
    classifier m{seed{5}};
    CHECK_NOTHROW(io::load_encoder(m, f / "e.safetensors"));
}

} // namespace encoder_file_test
