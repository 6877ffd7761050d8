// SPDX-License-Identifier: MIT
#ifdef UMSREP_XRAY

#include <limits>

#include <doctest/doctest.h>

#include <tests/examples/xray.hpp>
#include <tests/support/disk_full.hpp>
#include <umsrep/io/safetensors.hpp>

using namespace umsrep::test;
using namespace umsrep::test::xray;

// Each wrong input gives exit code 2 and one line that names the thing; nothing is written, and earlier files stay as they were.

namespace {

std::string trained() { return (finished_run() / "model.safetensors").string(); }

/// Trains on the lungs of a manifest into FOLDER/run, which must not come to be.
std::string refused_lungs(const temporary_folder& folder) {
    const std::string line = refusal({"train", "--lungs", (folder / "manifest.csv").string(), "--size", "32", "--out", (folder / "run").string()});
    CHECK(!fs::exists(folder / "run"));
    return line;
}

} // namespace

TEST_CASE("xray without or with wrong arguments says what it expects") {
    CHECK(refusal({}) == "xray: A subcommand is required (xray --help)");
    CHECK(refusal({"train"}) == "xray: --out or --resume is required (xray --help)");
    CHECK(refusal({"train", "--out", "x", "--size", "33"}) == "xray: --size: expected a multiple of 16 from 32 to 1024, got 33 (xray --help)");
    CHECK(refusal({"train", "--out", "x", "--strategy", "jointly"}).find("jointly") != std::string::npos);
    CHECK(refusal({"train", "--resume", "x", "--epochs", "3"}) == "xray: --resume excludes --epochs (xray --help)");
    CHECK(refusal({"train", "--out", "x", "--strategy", "separate", "--encoder", "last1"}) ==
          "xray: strategy separate: expected encoder all, since every task starts from scratch, got 'last1'");
    CHECK(!fs::exists("x"));
    const outcome help = run({"--help"});
    CHECK(help.code == 0);
    CHECK(help.out.find("xray train --out run") != std::string::npos);
}

TEST_CASE("words and numbers that mean nothing are named") {
    CHECK(refusal({"foo"}) == "xray: 'foo': expected train, evaluate or predict (xray --help)");
    CHECK(refusal({"train", "--out", "x", "--seed", "-1"}).find("expected a whole number from 0 to 2^64 - 1, got -1") != std::string::npos);
    CHECK(refusal({"train", "--out", "x", "--seed", "18446744073709551616"}).find("got 18446744073709551616") != std::string::npos);
    CHECK(refusal({"train", "--out", "x", "--head-weights", "0,0,0"}).find("expected one above 0 at least, got zeros") != std::string::npos);
    const outcome version = run({"--version"});
    CHECK(version.code == 0);
    CHECK(version.out.starts_with("xray "));
}

TEST_CASE("names that no JSON file or no file system can hold are refused") {
    const temporary_folder folder;
    const std::string init = (folder / "\xff").string();
    CHECK(refusal({"train", "--init", init, "--out", (folder / "run").string()}) == "xray: " + init + ": expected a name in UTF-8, got other bytes");
    write_lungs(folder.path());
    const std::string manifest = (folder / "manifest.csv").string(), whole = content_of(manifest);
    const auto with = [&](const std::string& name, const std::string& cell) {
        std::string text = whole;
        std::ofstream{manifest, std::ios::binary} << text.replace(text.find(name), name.size(), cell);
        return refused_lungs(folder);
    };
    CHECK(with("set0", "\xff") == "xray: " + manifest + ": dataset of train0.png: expected a name in UTF-8, got other bytes");
    CHECK(with("train1.png", std::string{"train1.png\0x", 12}) == "xray: " + manifest + ": line 3: expected text, got a NUL byte");
}

TEST_CASE("a GPU that is not there is refused with the reason; auto says why it computes without") {
    const temporary_folder folder;
    const std::string none = (folder / "none").string();
    const auto predict = [&](const std::string& name) { return words{"predict", "--device", name, "--model", none, none, "--out", none}; };
    const std::string line = refusal(predict("cuda"));
    if (line == "xray: " + none + ": no such file") {
        MESSAGE("skipped: there is a device");
        return;
    }
    CHECK(line.starts_with("xray: --device cuda: "));
    const std::string reason = line.substr(line.find("cuda: "));
    CHECK(run(predict("auto")).err == "device cpu: " + reason + "\nxray: " + none + ": no such file\n");
    CHECK(refusal(predict("tpu")).find("tpu not in {cpu,cuda,auto}") != std::string::npos);
    CHECK(refusal({"train", "--device", "cuda", "--out", (folder / "run").string()}) == line);
    CHECK(refusal({"train", "--plans", "slow", "--out", (folder / "run").string()}).find("slow not in {measured,first}") != std::string::npos);
    CHECK(folder.files() == 0);
}

TEST_CASE("a prediction that would overwrite an input is refused") {
    const temporary_folder folder;
    write_picture(folder / "a.png", 32, 32);
    write_picture(folder / "a.lungs.png", 32, 32);
    const auto before = contents_of(folder.path());
    const std::string line = refusal({"predict", "--model", trained(), (folder / "a.png").string(), (folder / "a.lungs.png").string(), "--out", folder.path().string()});
    CHECK(line == "xray: " + (folder / "a.lungs.png").string() + ": is an input and would be overwritten; --out needs another folder");
    CHECK(contents_of(folder.path()) == before);
}

TEST_CASE("a model file with NaN or notes that are not known is named") {
    using umsrep::io::safetensors;
    const temporary_folder folder;
    const fs::path file = folder / "model.safetensors";
    const auto refused = [&](auto change) {
        safetensors model = safetensors::read(trained());
        change(model);
        model.write(file);
        return refusal({"evaluate", "--model", file.string()});
    };
    for (const char* key : {"xray.heads", "xray.strategy", "xray.encoder"})
        CHECK(refused([&](safetensors& model) { model.metadata()[key] = "other"; }).starts_with("xray: " + file.string() + ": " + key + ": expected "));
    safetensors broken;
    const safetensors model = safetensors::read(trained());
    broken.metadata() = model.metadata();
    for (const std::string& name : model.names()) {
        auto values = model.values<float>(name);
        if (name == model.names().back()) values.front() = std::numeric_limits<float>::quiet_NaN();
        broken.add(name, model.shape(name), values);
    }
    broken.write(file);
    CHECK(refusal({"evaluate", "--model", file.string()}) ==
          "xray: " + file.string() + ": tensor '" + model.names().back() + "': expected finite numbers, got NaN or infinity");
}

TEST_CASE("files that are not there are named") {
    const temporary_folder folder;
    const std::string none = (folder / "none").string(), out = (folder / "out").string();
    CHECK(refusal({"train", "--findings", none, "--out", out}) == "xray: " + none + ": no such folder");
    CHECK(refusal({"train", "--lungs", none, "--out", out}) == "xray: " + none + ": no such file");
    CHECK(refusal({"train", "--init", none, "--simulated", "6", "--size", "32", "--out", out}) == "xray: " + none + ": no such file");
    CHECK(refusal({"train", "--resume", none}) == "xray: " + none + ": holds no run that could be resumed (no checkpoint.json)");
    CHECK(refusal({"evaluate", "--model", none}) == "xray: " + none + ": no such file");
    CHECK(refusal({"predict", "--model", trained(), none, "--out", out}) == "xray: " + none + ": no such file");
    CHECK(folder.files() == 0);
}

TEST_CASE("a file that is no image is named, and no other input is answered either") {
    const temporary_folder folder;
    write_picture(folder / "good.png", 32, 32);
    std::ofstream{folder / "text.png"} << "no image at all";
    const std::string text = (folder / "text.png").string();
    CHECK(refusal({"predict", "--model", trained(), (folder / "good.png").string(), text, "--out", (folder / "out").string()}) ==
          "xray: " + text + ": expected a PNG or JPEG image, got neither");
    CHECK(!fs::exists(folder / "out"));
    write_lungs(folder.path());
    fs::rename(folder / "text.png", folder / "train0.png");
    CHECK(refused_lungs(folder).find("train0.png: expected a PNG or JPEG image, got neither") != std::string::npos);
}

TEST_CASE("a mask of another size than its image is named") {
    const temporary_folder folder;
    write_lungs(folder.path());
    write_picture(folder / "mask_val1.png", 41, 48);
    const std::string line = refused_lungs(folder);
    CHECK(line.find("mask_val1.png: expected the size of its image, (1, 40, 48), got (1, 41, 48)") != std::string::npos);
}

TEST_CASE("a label that is not known is named") {
    const temporary_folder folder;
    write_findings(folder / "findings");
    write_picture(folder / "findings" / "train" / "PNEUMONIA" / "person9_fungus_1.jpeg", 32, 32);
    const std::string line = refusal({"train", "--findings", (folder / "findings").string(), "--out", (folder / "run").string()});
    CHECK(line.find("person9_fungus_1.jpeg: expected a name with _bacteria_ or _virus_") != std::string::npos);
    CHECK(!fs::exists(folder / "run"));
}

TEST_CASE("an empty split is named") {
    const temporary_folder folder;
    write_lungs(folder.path(), false, {"train", "val"});
    CHECK(refused_lungs(folder) == "xray: " + (folder / "manifest.csv").string() + ": expected rows of split 'test', got none");
    CHECK(refusal({"evaluate", "--model", trained(), "--lungs", (folder / "manifest.csv").string()}) ==
          "xray: " + (folder / "manifest.csv").string() + ": expected rows of split 'test', got none");
}

TEST_CASE("a damaged or foreign model file is named") {
    const temporary_folder folder;
    write_picture(folder / "a.png", 32, 32);
    const std::string file = (folder / "model.safetensors").string();
    const auto refused = [&](const std::string& bytes) {
        std::ofstream{file, std::ios::binary} << bytes;
        const std::string line = refusal({"predict", "--model", file, (folder / "a.png").string(), "--out", (folder / "out").string()});
        CHECK(!fs::exists(folder / "out"));
        CHECK(line.starts_with("xray: " + file + ": "));
        return line;
    };
    const std::string whole = content_of(trained());
    refused(whole.substr(0, whole.size() - 1)); // cut off
    refused(whole.substr(0, 100));
    refused("");
    refused(std::string(64, 'x'));
    CHECK(refused(content_of(fs::path{UMSREP_TEST_FIXTURES} / "ops.safetensors")).find("expected a model of xray train") != std::string::npos);
    std::string renamed = whole;
    renamed.replace(renamed.find("encoder.e1"), 10, "encoder.x1");
    CHECK(refused(renamed).find("weights of another network: missing encoder.e1") != std::string::npos);
}

TEST_CASE("checkpoints of another run are not taken") {
    const temporary_folder folder;
    const fs::path run_path = folder / "run";
    fs::copy(finished_run(), run_path);
    fs::rename(run_path / "options.json", run_path / "checkpoint.json");
    fs::copy(run_path / "model.safetensors", run_path / "checkpoint.safetensors");
    const auto before = contents_of(run_path);
    CHECK(refusal({"train", "--resume", run_path.string()}).find("checkpoint.safetensors: expected a checkpoint of a training run") != std::string::npos);
    CHECK(contents_of(run_path) == before);
    std::ofstream{run_path / "checkpoint.json"} << "{}";
    CHECK(refusal({"train", "--resume", run_path.string()}) == "xray: " + (run_path / "checkpoint.json").string() +
                                                                   ": expected the options of a run of xray train, got something else");
}

TEST_CASE("a full disk is reported, and earlier files stay as they were") {
    const temporary_folder folder;
    write_picture(folder / "a.png", 200, 200);
    const words predict{"predict", "--model", trained(), (folder / "a.png").string(), "--out", (folder / "out").string()};
    succeed(predict);
    const auto before = contents_of(folder / "out");
    const disk_full full{600};
    const std::string line = refusal(predict);
    CHECK(line.find("cannot be written") != std::string::npos);
    CHECK(contents_of(folder / "out") == before);
    CHECK(refusal(tiny(folder / "run")).find("cannot be written") != std::string::npos);
    CHECK(contents_of(folder / "run").empty()); // so that the corrected command is taken
}

TEST_CASE("a full disk leaves the run that --force would have overwritten") {
    const temporary_folder folder;
    fs::copy(finished_run(), folder / "run");
    const auto before = contents_of(folder / "run");
    const disk_full full{10240};
    CHECK(refusal(tiny(folder / "run") + words{"--force"}).find("checkpoint.safetensors: cannot be written") != std::string::npos);
    CHECK(contents_of(folder / "run") == before);
}

#endif
